"""Tests of sipproxy.message: octets to values and back."""
