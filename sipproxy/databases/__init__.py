"""Databases: read from memory, changed durably, each with a feed of its changes."""
