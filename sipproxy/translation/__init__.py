"""From a Request-URI to a list of contacts: the location service of RFC 3261 16.5."""

from sipproxy.translation.chain import AT_HAND, Forwarding, ITranslator, Subject, Target, Targets, TranslationChain

__all__ = ["AT_HAND", "Forwarding", "ITranslator", "Subject", "Target", "Targets", "TranslationChain"]
