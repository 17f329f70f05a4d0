"""The registrar: what a REGISTER does to the bindings of an address of record (RFC 3261 10)."""

from sipproxy.registrar.bindings import NEVER, Binding, Policy, contact_lines, register
from sipproxy.registrar.registrar import Registrar, Reply

__all__ = ["NEVER", "Binding", "Policy", "Registrar", "Reply", "contact_lines", "register"]
