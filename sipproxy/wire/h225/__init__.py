"""H.225.0 RAS messages (LRQ, LCF, LRJ, RIP) as pyasn1 types. Pure."""
