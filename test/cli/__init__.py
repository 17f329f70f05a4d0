"""Tests of sipproxy.cli."""
