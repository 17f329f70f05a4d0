"""Call detail records: made, spooled on disk, delivered (RFC 2866)."""
