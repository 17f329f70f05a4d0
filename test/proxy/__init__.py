"""The proxy core."""
