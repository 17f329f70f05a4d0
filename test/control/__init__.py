"""Tests of sipproxy.control."""
