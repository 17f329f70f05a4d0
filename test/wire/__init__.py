"""Tests of L{sipproxy.wire}."""
