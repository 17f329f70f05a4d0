"""A telephone that answers every call, and sends its responses to where the topmost Via says (RFC 3261 18.2.2).

sipp's C{uas} sends them to where the request came from. Started with its UDP
port on 127.0.0.1; ends when it is told to.

python bench/via_callee.py PORT
"""

import re
import socket
import sys

_HEADERS = re.compile(rb"^(?:Via|Record-Route|From|To|Call-ID|CSeq): [^\r]*\r\n", re.MULTILINE)
_SENT_BY = re.compile(rb"^Via: SIP/2\.0/UDP 127\.0\.0\.1:(\d+)", re.MULTILINE)
_TO = re.compile(rb"^To: [^\r]*", re.MULTILINE)
_MOST = 65_535


def answers(request: bytes, port: int) -> list[bytes]:
    """Give the responses to a request.

    @param port: ours
    """
    method = request.partition(b" ")[0]
    if method not in (b"INVITE", b"BYE"):
        return []
    headers = b"".join(_HEADERS.findall(request))
    if method == b"BYE":
        return [b"SIP/2.0 200 OK\r\n%bContent-Length: 0\r\n\r\n" % headers]
    headers = _TO.sub(rb"\g<0>;tag=callee", headers)
    contact = b"Contact: <sip:callee@127.0.0.1:%d>\r\nContent-Length: 0\r\n\r\n" % port
    return [b"SIP/2.0 %b\r\n%b%b" % (status, headers, contact) for status in (b"180 Ringing", b"200 OK")]


def serve(port: int) -> None:
    """Answer until the process is ended."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", port))
        while True:
            request = opened.recv(_MOST)
            sent_by = _SENT_BY.search(request)
            if sent_by:
                for response in answers(request, port):
                    opened.sendto(response, ("127.0.0.1", int(sent_by[1])))


if __name__ == "__main__":
    serve(int(sys.argv[1]))
