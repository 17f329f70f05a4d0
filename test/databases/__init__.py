"""Tests of sipproxy.databases."""
