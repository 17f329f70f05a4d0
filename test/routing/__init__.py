"""Tests of L{sipproxy.routing}."""
