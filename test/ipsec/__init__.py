"""Tests of sipproxy.ipsec."""
