"""Who may send requests: digest, CHAP and RADIUS (RFC 3261 22)."""
