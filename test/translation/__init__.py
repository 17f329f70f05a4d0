"""The translation step."""
