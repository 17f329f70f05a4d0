"""A RADIUS server that acknowledges all accounting, some time after it was told.

python -m bench.radius_responder PORT SECONDS
"""

import hashlib
import socket
import sys
import time
from collections import deque

SECRET = b"bench"
_ACKNOWLEDGEMENT = 5
_OCTETS = 4096


def acknowledgement(request: bytes) -> bytes:
    """Write the Accounting-Response to a request (RFC 2866 3)."""
    head = bytes((_ACKNOWLEDGEMENT, request[1], 0, 20))
    return head + hashlib.md5(head + request[4:20] + SECRET).digest()


def respond(opened: socket.socket, delay: float) -> None:
    """Answer without end.

    @param delay: seconds between a request and its answer
    """
    waiting: deque[tuple[float, bytes, tuple[str, int]]] = deque()
    while True:
        while waiting and waiting[0][0] <= time.monotonic():
            _, answer, source = waiting.popleft()
            opened.sendto(answer, source)
        # Zero would not wait at all.
        opened.settimeout(max(0.0001, waiting[0][0] - time.monotonic()) if waiting else None)
        try:
            request, source = opened.recvfrom(_OCTETS)
        except TimeoutError:
            continue
        waiting.append((time.monotonic() + delay, acknowledgement(request), source))


if __name__ == "__main__":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        server.bind(("127.0.0.1", int(sys.argv[1])))
        respond(server, float(sys.argv[2]))
