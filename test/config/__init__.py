"""Tests of sipproxy.config."""
