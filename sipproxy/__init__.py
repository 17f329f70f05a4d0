"""SIP proxy, redirect and registrar server as a Twisted application."""

__version__ = "1.1.0.dev1"
