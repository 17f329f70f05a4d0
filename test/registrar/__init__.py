"""Tests of sipproxy.registrar."""
