"""The whole proxy on a memory network in virtual time."""
