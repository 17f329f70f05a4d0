"""A SIP server inside another Twisted application, beside a service of the application's own.

C{python docs/examples/embed.py [PORT]} starts both, lets the own service ask the server with one OPTIONS
(RFC 3261 11), prints the answer and stops both.
"""

import sys
from tempfile import TemporaryDirectory
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import react

from sipproxy.app import make_service, settings_of

OPTIONS = """\
OPTIONS sip:127.0.0.1:{port} SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:{own_port};branch=z9hG4bK-embed
Max-Forwards: 70
From: <sip:probe@127.0.0.1>;tag=embed
To: <sip:127.0.0.1:{port}>
Call-ID: embed@127.0.0.1
CSeq: 1 OPTIONS
Content-Length: 0

"""


class Question(DatagramProtocol):
    """Sends one OPTIONS and waits for what comes back."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answer: Deferred[bytes] = Deferred()

    def startProtocol(self) -> None:
        """The own port is open: ask."""
        assert self.transport is not None
        text = OPTIONS.format(port=self._port, own_port=self.transport.getHost().port)
        self.transport.write(text.replace("\n", "\r\n").encode(), ("127.0.0.1", self._port))

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """The first datagram is the answer."""
        if not self.answer.called:
            self.answer.callback(datagram)


class Probe(Service):
    """The application's own service."""

    def __init__(self, reactor: Any, port: int) -> None:
        self._reactor = reactor
        self._question = Question(port)
        self.answer = self._question.answer

    def startService(self) -> None:
        """Ask once, from a free port."""
        super().startService()
        self._port = self._reactor.listenUDP(0, self._question, interface="127.0.0.1")

    def stopService(self) -> Deferred[None]:
        """Close the port."""
        super().stopService()
        closed: Deferred[None] = self._port.stopListening()
        return closed


async def main(reactor: Any, port: int) -> None:
    """Run the application until the server has answered."""
    with TemporaryDirectory() as folder:
        settings = settings_of({"ServerRoot": folder, "Listen": f"127.0.0.1:{port}", "ServerName": "127.0.0.1"})
        application = MultiService()
        make_service(settings, reactor).setServiceParent(application)
        probe = Probe(reactor, port)
        probe.setServiceParent(application)
        application.startService()
        try:
            answer = await probe.answer.addTimeout(5, reactor)
            print(answer.decode())
        finally:
            await application.stopService()


if __name__ == "__main__":
    sip_port = int(sys.argv[1]) if len(sys.argv) > 1 else 5070
    react(lambda reactor: Deferred.fromCoroutine(main(reactor, sip_port)))
