"""Tests of the server farm."""
