"""Codecs of the protocols beside SIP. Pure."""
