"""A telephone of a few lines, for what no program does on demand: one request, one answer, looked at as text.

It knows UDP and what a test tells it. It does not retransmit, keeps no dialogs and makes one request at a time.
"""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from random import SystemRandom

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import LOOPBACK, PATIENCE

Address = tuple[str, int]


def host_port(address: Address) -> str:
    """Write an address as it stands in a URI."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class Message:
    """A message as text.

    @ivar start: the first line
    @ivar headers: (name in small letters, value) in order
    """

    start: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, datagram: bytes) -> "Message":
        """Read a datagram."""
        start, *lines = datagram.decode().partition("\r\n\r\n")[0].split("\r\n")
        split = (line.partition(":") for line in lines)
        return cls(start, tuple((name.strip().lower(), value.strip()) for name, _, value in split))

    def all(self, name: str) -> list[str]:
        """Give the values of a header, one for each line."""
        return [value for key, value in self.headers if key == name]

    def __getitem__(self, name: str) -> str:
        """Give the only value of a header."""
        (value,) = self.all(name)
        return value

    @property
    def status(self) -> int:
        """The status code, 0 for a request."""
        words = self.start.split(" ", 2)
        return int(words[1]) if words[0] == "SIP/2.0" else 0


class Telephone:
    """One user at one socket.

    @ivar user: user part of its address of record
    @ivar address: where it listens
    """

    def __init__(self, test: SynchronousTestCase, proxy: Address, user: str = "alice", host: str = LOOPBACK) -> None:
        """
        @param proxy: where it sends to, and its domain
        @param host: its own address
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        test.addCleanup(self._socket.close)
        self._socket.bind((host, 0))
        self.address: Address = self._socket.getsockname()[:2]
        self.user = user
        self.domain = host_port(proxy)
        self._proxy = proxy
        self._request: list[str] = []
        self._numbers = count(1)
        self._random = SystemRandom()

    @property
    def contact(self) -> str:
        """Its own URI."""
        return f"sip:{self.user}@{host_port(self.address)}"

    def request(self, method: str, uri: str, to: str = "", headers: Sequence[str] = ()) -> str:
        """Send a request to the proxy.

        @param to: address of record in the To, by default the URI
        @return: its branch
        """
        token = f"{self._random.getrandbits(64):x}"
        branch = f"z9hG4bK{token}"
        self._request = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host_port(self.address)};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self.user}@{self.domain}>;tag={self.user}",
            f"To: <{to or uri}>",
            f"Call-ID: {token}",
            f"CSeq: {next(self._numbers)} {method}",
            *headers,
            "Content-Length: 0",
        ]
        self.send("\r\n".join([*self._request, "", ""]), self._proxy)
        return branch

    def send(self, text: str, destination: Address) -> None:
        """Send a datagram."""
        self._socket.sendto(text.encode(), destination)

    def receive(self, timeout: float = PATIENCE) -> tuple[Message, Address]:
        """Wait for a message.

        @raise TimeoutError: none came
        """
        self._socket.settimeout(timeout)
        datagram, source = self._socket.recvfrom(65_535)
        return Message.parse(datagram), source[:2]

    def final(self, timeout: float = PATIENCE) -> Message:
        """Wait for a final response to the last request; to an INVITE, one that is no 2xx is acknowledged.

        @raise TimeoutError: none came
        """
        end = time.monotonic() + timeout
        first, via, *_ = self._request
        branch = via.partition(";branch=")[2].partition(";")[0]
        while True:
            message, _ = self.receive(max(0.001, end - time.monotonic()))
            if message.status >= 200 and f";branch={branch};" in f"{message.all('via')[0]};":
                if message.status >= 300 and first.startswith("INVITE "):
                    self._acknowledge(message)
                return message

    def _acknowledge(self, refusal: Message) -> None:
        """Acknowledge a final response that is no 2xx (RFC 3261 17.1.1.3)."""
        replaced = {"To": refusal["to"], "CSeq": refusal["cseq"].replace("INVITE", "ACK")}
        first, *lines = self._request
        named = [(line.partition(": ")[0], line) for line in lines]
        lines = [f"{name}: {replaced[name]}" if name in replaced else line for name, line in named]
        self.send("\r\n".join([first.replace("INVITE ", "ACK ", 1), *lines, "", ""]), self._proxy)

    def ask(self, method: str, uri: str, headers: Sequence[str] = (), timeout: float = PATIENCE) -> Message:
        """Send a request and wait for its final response."""
        self.request(method, uri, headers=headers)
        return self.final(timeout)

    def register(self, expires: int = 3600, contact: str = "", headers: Sequence[str] = ()) -> Message:
        """Register itself, or another contact of its user.

        @return: the final response
        """
        aor = f"sip:{self.user}@{self.domain}"
        contact_line = f"Contact: <{contact or self.contact}>;expires={expires}"
        self.request("REGISTER", f"sip:{self.domain}", aor, (contact_line, *headers))
        return self.final()

    def registered(self) -> list[str]:
        """Ask for the contacts of its user that are registered, and give their URIs."""
        self.request("REGISTER", f"sip:{self.domain}", f"sip:{self.user}@{self.domain}")
        return [contact.partition(">")[0].removeprefix("<") for contact in self.final().all("contact")]

    def answer(self, request: Message, status: str, source: Address, headers: Sequence[str] = ()) -> None:
        """Answer a request.

        @param status: code and reason phrase
        """
        copied = [f"{name}: {value}" for name, value in request.headers if name in ("via", "record-route")]
        to = request["to"]
        lines = [
            f"SIP/2.0 {status}",
            *copied,
            f"From: {request['from']}",
            f"To: {to}" if ";tag=" in to else f"To: {to};tag={self.user}",
            f"Call-ID: {request['call-id']}",
            f"CSeq: {request['cseq']}",
            *headers,
            "Content-Length: 0",
        ]
        self.send("\r\n".join([*lines, "", ""]), source)
