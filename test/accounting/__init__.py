"""Tests of L{sipproxy.accounting}."""
