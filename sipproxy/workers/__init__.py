"""Several processes that serve the same ports (StartServers): one that owns, and its workers.

The owner opens the ports and holds them, has the databases, the control socket
and all else that there is once. Each worker reads one socket of each port and
is a server of its own but for what it has from the owner over a socket pair.
"""
