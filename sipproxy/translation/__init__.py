"""From a Request-URI to a list of contacts: the location service of RFC 3261 16.5."""

from sipproxy.translation.chain import ITranslator, Subject, Target, TranslationChain

__all__ = ["ITranslator", "Subject", "Target", "TranslationChain"]
