"""mod_sip_registry.c as a translator: registered and static contacts (RFC 3261 16.5, 10)."""

from collections.abc import Callable

from zope.interface import implementer

from sipproxy.config import Directive, on_off
from sipproxy.interfaces import IBinding, IRegistry
from sipproxy.message import Uri, parse_uri
from sipproxy.translation.chain import ITranslator, Subject, Target, Targets

REGISTRY = Directive("Registry", on_off(), True, "Accept registrations and call what is registered; Off: 405.")


@implementer(ITranslator)
class RegistryTranslator:
    """Contacts from the registry."""

    name = "mod_sip_registry"

    def __init__(self, registry: IRegistry, aor_key: Callable[[Uri], bytes | None]) -> None:
        """
        @param aor_key: gives the canonical key of an address of record, None for one that is not ours
        """
        self._registry = registry
        self._aor_key = aor_key

    def translate(self, subject: Subject) -> Targets:
        """Give the unexpired bindings of the first name that has some, by falling q."""
        for uri in subject.names:
            key = self._aor_key(uri)
            bindings = self._registry.lookup(key, subject.now) if key is not None else ()
            if bindings:
                return self._targets(bindings)
        return ()

    def _targets(self, bindings: tuple[IBinding, ...]) -> Targets:
        targets = [
            Target(parse_uri(binding.contact), binding.q, binding.path, binding.action, self.name)
            for binding in bindings
        ]
        if len(targets) > 1:
            targets.sort(key=lambda target: -target.q)
        return targets
