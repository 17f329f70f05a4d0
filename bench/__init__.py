"""Measurements: what a call costs, beside Kamailio and in memory; see README.md. Not installed."""
