"""Both ends of calls as plain sockets, which the kernel tells when each datagram arrived.

What a message spent in a server is from just before it is sent on one socket
until the kernel has it for the other: what the ends themselves take to wake up
and read is not in it. Nothing is sent again.
"""

import re
import socket
import struct
import time
from collections.abc import Iterator
from selectors import EVENT_READ, DefaultSelector
from typing import NamedTuple

from bench.flows import CALLEE, CALLER, SDP, reply, request
from bench.works import USERS
from sipproxy.net.sockets import set_receive_buffer

STEPS = ("INVITE", "180", "200 INVITE", "ACK", "BYE", "200 BYE")
"""Messages of a call that a server passes on."""

_SO_TIMESTAMPNS = 35
_STAMP = struct.Struct("@qq")
_ANCILLARY = socket.CMSG_SPACE(_STAMP.size)
_BUFFER = 2**24
_CALL_ID = re.compile(rb"\r\nCall-ID: (\d+)-")
_CONTENT = b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%b" % (len(SDP), SDP)
_GRACE = 2.0
"""Seconds without a datagram after which nothing more is expected."""


class Arrival(NamedTuple):
    """A datagram.

    @ivar data: its octets
    @ivar at: when it arrived: nanoseconds since 1970
    @ivar number: of its call
    """

    data: bytes
    at: int
    number: int


class End:
    """A socket on 127.0.0.1, of the caller or of the callee.

    @ivar text: its address, as it stands in messages
    """

    def __init__(self, server_port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        set_receive_buffer(self._socket, _BUFFER)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(("127.0.0.1", server_port))
        self.text = b"127.0.0.1:%d" % self._socket.getsockname()[1]

    def fileno(self) -> int:
        """Give the socket's descriptor."""
        return self._socket.fileno()

    def send(self, data: bytes) -> int:
        """Send a datagram to the server.

        @return: when, in nanoseconds since 1970
        """
        now = time.time_ns()
        self._socket.send(data)
        return now

    def arrived(self) -> Iterator[Arrival]:
        """Give what has arrived, but what belongs to no call."""
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(65_535, _ANCILLARY)
            except BlockingIOError:
                return
            found = _CALL_ID.search(data)
            if found:
                seconds, nanoseconds = _STAMP.unpack(ancillary[0][2])
                yield Arrival(data, seconds * 1_000_000_000 + nanoseconds, int(found[1]))

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class Ends:
    """A caller and a callee.

    @ivar times: nanoseconds in the server, by step
    @ivar done: calls that ended as they should
    """

    def __init__(self, server_port: int) -> None:
        self.caller = End(server_port)
        self.callee = End(server_port)
        self.times: dict[str, list[int]] = {step: [] for step in STEPS}
        self.done = 0
        self._left: dict[tuple[int, str], int] = {}
        self._selector = DefaultSelector()
        self._selector.register(self.caller, EVENT_READ, self._caller_read)
        self._selector.register(self.callee, EVENT_READ, self._callee_read)

    def invite(self, number: int, size: int = 0) -> bytes:
        """Write the INVITE of a call.

        @param size: how many octets it has at least
        """
        target, more = b"sip:u%d@%b" % (number % USERS, self.callee.text), b"Subject: bench\r\n" + _CONTENT
        written = self._own(request(b"INVITE", target, number, 1, more=more))
        return written.replace(b"Subject: bench", b"Subject: bench" + b"-" * (size - len(written)))

    def call(self, rate: int, numbers: range) -> None:
        """Make calls at even intervals; until all are done, or nothing more comes.

        @param rate: begun in one second
        @param numbers: of the calls; no server has seen them before
        """
        due = time.monotonic()
        for number in numbers:
            while (left := due - time.monotonic()) > 0:
                self.wait(left)
            self._send(self.caller, "INVITE", number, self.invite(number))
            self.wait(0.0)
            due += 1.0 / rate
        while self.done < len(numbers) and self.wait(_GRACE):
            pass

    def ringing(self, invite: bytes) -> bytes:
        """Write the callee's 180."""
        return self._own(reply(invite, b"180 Ringing"))

    def wait(self, seconds: float) -> bool:
        """Deal with what arrives.

        @return: whether anything did
        """
        ready = self._selector.select(seconds)
        for key, _ in ready:
            key.data()
        return bool(ready)

    def close(self) -> None:
        """Close both."""
        self._selector.close()
        self.caller.close()
        self.callee.close()

    def _own(self, message: bytes) -> bytes:
        """Put our addresses where those of the flows stand."""
        caller, callee = (b"%b:%d" % (host.encode("ascii"), port) for host, port in (CALLER, CALLEE))
        return message.replace(caller, self.caller.text).replace(callee, self.callee.text)

    def _send(self, end: End, step: str, number: int, data: bytes) -> None:
        self._left[number, step] = end.send(data)

    def _passed(self, arrival: Arrival, step: str) -> bool:
        """Take the time of a message that has passed the server; tell whether it is the first of its kind."""
        left = self._left.pop((arrival.number, step), None)
        if left is None:
            return False
        self.times[step].append(arrival.at - left)
        return True

    def _callee_read(self) -> None:
        for arrival in self.callee.arrived():
            data, _, number = arrival
            if data.startswith(b"INVITE ") and self._passed(arrival, "INVITE"):
                self._send(self.callee, "180", number, self.ringing(data))
                self._send(self.callee, "200 INVITE", number, self._own(reply(data, b"200 OK", _CONTENT)))
            elif data.startswith(b"ACK "):
                self._passed(arrival, "ACK")
            elif data.startswith(b"BYE ") and self._passed(arrival, "BYE"):
                self._send(self.callee, "200 BYE", number, self._own(reply(data, b"200 OK")))

    def _caller_read(self) -> None:
        for arrival in self.caller.arrived():
            data, _, number = arrival
            if data.startswith(b"SIP/2.0 180"):
                self._passed(arrival, "180")
            elif data.startswith(b"SIP/2.0 200"):
                if b" BYE\r\n" in data:
                    self.done += self._passed(arrival, "200 BYE")
                elif self._passed(arrival, "200 INVITE"):
                    contact, tag = b"sip:%b;transport=UDP" % self.callee.text, b";tag=uas1"
                    self._send(self.caller, "ACK", number, self._own(request(b"ACK", contact, number, 1, tag)))
                    self._send(self.caller, "BYE", number, self._own(request(b"BYE", contact, number, 2, tag)))
