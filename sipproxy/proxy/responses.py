"""Which response goes upstream when all branches have ended (RFC 3261 16.7 items 6 and 7)."""

from collections.abc import Sequence

from sipproxy.errors import RequestError
from sipproxy.message import AnyResponse, Draft, RelayedResponse, reason_phrase

#: Within 4xx, responses that help the caller to try again come first.
_TELLING = (401, 407, 415, 420, 484)
#: Responses that are more than themselves without our Via.
_CHANGED = (401, 407, 503)


class Final:
    """The end of a branch.

    @ivar status: its status
    @ivar response: the response, None where we made the status up (timeout, unreachable)
    @ivar error: what we failed with, where that says more than the status
    """

    __slots__ = ("error", "response", "status")

    def __init__(self, status: int, response: AnyResponse | None = None, error: RequestError | None = None) -> None:
        self.status = status
        self.response = response
        self.error = error


def choose_best(finals: Sequence[Final]) -> Final:
    """Choose among non-2xx finals: 6xx, else the lowest class, and there the most telling."""
    return min(finals, key=_rank)


def _rank(final: Final) -> tuple[int, int, bool]:
    status = final.status
    if status >= 600:
        return 0, 0, False
    if status // 100 == 4 and status in _TELLING:
        return 4, 0, False
    # What somebody said comes before what we concluded from silence.
    # A 487 is the least of its class: it tells only that somebody else was quicker.
    return status // 100, 2 if status == 487 else 1, final.response is None


def is_for_us(response: AnyResponse) -> bool:
    """Tell whether no Via but ours is left, so that a response must not be forwarded (16.7 item 3)."""
    return not response.next_via()


def pass_on(response: AnyResponse, finals: Sequence[Final] = ()) -> bytes:
    """Write a response as it goes upstream: without our Via (16.7 item 3).

    @param finals: for a 401 or 407: all ends of branches, whose challenges are collected (item 7)
    """
    if response.status not in _CHANGED:
        return without_top_via(response)
    draft = Draft.of(response.whole())
    draft.pop_value("via")
    if response.status in (401, 407):
        _collect_challenges(draft, response, finals)
    if response.status == 503:
        # 16.7 item 6: our own state is not the next hop's, and upstream would avoid us.
        draft.start = b"SIP/2.0 500 " + reason_phrase(500)
        draft.remove("retry-after")
    return draft.to_bytes()


def without_top_via(response: AnyResponse) -> bytes:
    """Write a response without its topmost Via, else as it came."""
    if isinstance(response, RelayedResponse):
        return response.without_top_via()
    draft = Draft.of(response)
    draft.pop_value("via")
    return draft.to_bytes()


def _collect_challenges(draft: Draft, chosen: AnyResponse, finals: Sequence[Final]) -> None:
    for final in finals:
        response = final.response
        if response is None or response is chosen or response.status not in (401, 407):
            continue
        for name, line in zip(response.whole().names, response.whole().lines, strict=True):
            if name in ("www-authenticate", "proxy-authenticate"):
                draft.append(name, line)
