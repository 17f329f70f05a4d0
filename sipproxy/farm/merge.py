"""What becomes of an address of record that two members have changed, neither knowing of the other (RFC 3261 10.3).

Pure. Each binding is decided by itself. What only one side has changed is as
that side has it. Where both have, a later CSeq of the same Call-ID wins; with
different Call-IDs the later registration. A removal loses against a
registration that it has not seen: a telephone that is called in vain for a
while does less harm than one that is not called.
"""

from sipproxy.registrar.bindings import Binding, Bindings

_Key = tuple[bytes, int, bool]


def merge(base: Bindings, local: Bindings, remote: Bindings) -> Bindings:
    """Give what holds after two changes of the same bindings.

    @param base: what both began with
    @param local: what one made of it
    @param remote: what the other did
    """
    if base == remote:
        return local
    if base == local:
        return remote
    before, ours, theirs = _by_key(base), _by_key(local), _by_key(remote)
    merged: list[Binding] = []
    for key in {**ours, **theirs}:  # in order, and each once
        kept = _decide(before.get(key), ours.get(key), theirs.get(key))
        if kept is not None:
            merged.append(kept)
    return tuple(merged)


def _by_key(bindings: Bindings) -> dict[_Key, Binding]:
    return {_key(binding): binding for binding in bindings}


def _key(binding: Binding) -> _Key:
    """Give what a binding is told from others by; one that is permanent stands beside one that is registered."""
    if binding.reg_id:
        return binding.instance, binding.reg_id, False  # RFC 5626 6
    return binding.contact, 0, binding.is_static


def _decide(before: Binding | None, ours: Binding | None, theirs: Binding | None) -> Binding | None:
    """Decide about one binding, None where it is not there."""
    if ours == before:
        return theirs
    if theirs == before:
        return ours
    if ours is None or theirs is None:
        return theirs if ours is None else ours
    return newer(ours, theirs)


def newer(one: Binding, other: Binding) -> Binding:
    """Give the later of two registrations of one contact, whatever their order here."""
    if one.call_id == other.call_id and one.cseq != other.cseq:
        return max(one, other, key=lambda binding: binding.cseq)
    # Equal in all that counts: whoever asks must get the same answer.
    return max(one, other, key=lambda binding: (binding.updated, binding))
