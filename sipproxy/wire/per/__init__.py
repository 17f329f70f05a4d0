"""Aligned packed encoding rules (X.691) for pyasn1 types. Pure; knows nothing of H.225."""
