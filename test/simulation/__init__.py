"""Tests of sipproxy.simulation."""
