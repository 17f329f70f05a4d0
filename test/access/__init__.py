"""Tests of L{sipproxy.access}."""
