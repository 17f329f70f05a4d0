"""Tests against programs that are not ours; each is skipped by name where its program is not installed."""
