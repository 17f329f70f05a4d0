"""The transaction layer."""
