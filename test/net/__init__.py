"""Tests of L{sipproxy.net}."""
