"""The datagrams of each work, as sipp's scenarios send them, without sipp.

A flow is a generator for some calls at once: it yields the datagrams of a step
and is given what the server sent because of them. The steps are those of
scenarios/*.xml at the caller's and of C{sipp -sn uas} at the callee's side.
"""

from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple

from bench.works import DOMAIN, PASSWORD, USERS
from sipproxy.access.credentials import DigestCredentials, parse_auth_params
from sipproxy.access.digest import compute_response, hash_a1

Address = tuple[str, int]
Datagram = tuple[bytes, Address]

CALLER: Address = ("127.0.0.1", 5091)
CALLEE: Address = ("127.0.0.1", 5090)

SDP = (
    b"v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 8000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
_CONTENT = b"Content-Type: application/sdp\r\nContent-Length:   %d\r\n\r\n%b" % (len(SDP), SDP)
_NOTHING = b"Content-Length: 0\r\n\r\n"
_ECHOED = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")


class Step(NamedTuple):
    """What peers send at one time.

    @ivar name: what it is
    @ivar datagrams: each with its source
    """

    name: str
    datagrams: list[Datagram]


class FlowError(Exception):
    """The server did not do its part: the run gives no figure."""


Flow = Generator[Step, list[Datagram], None]


def request(method: bytes, uri: bytes, number: int, cseq: int, to_tag: bytes = b"", more: bytes = _NOTHING) -> bytes:
    """Write a request of the caller."""
    return (
        b"%b %b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5091;branch=z9hG4bK-%d-%d-%b\r\n"
        b"From: <sip:caller@bench.test>;tag=4711C%d\r\nTo: <sip:u%d@bench.test>%b\r\nCall-ID: %d-4711@127.0.0.1\r\n"
        b"CSeq: %d %b\r\n%bMax-Forwards: 70\r\n%b"
    ) % (
        method, uri, number, cseq, method.lower(), number, number % USERS, to_tag, number, cseq, method,
        b"Contact: <sip:caller@127.0.0.1:5091>\r\n" if method == b"INVITE" else b"", more,
    )  # fmt: skip


def register_request(number: int, cseq: int = 1, more: bytes = b"") -> bytes:
    """Write a REGISTER of a user, each with a Call-ID of its own, as sipp does.

    @param more: header lines
    """
    user = number % USERS
    return (
        b"REGISTER sip:bench.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5091;branch=z9hG4bK-%d-%d-r\r\n"
        b"From: <sip:u%d@bench.test>;tag=4711R%d\r\nTo: <sip:u%d@bench.test>\r\nCall-ID: %d-4711@127.0.0.1\r\n"
        b"CSeq: %d REGISTER\r\nContact: <sip:u%d@127.0.0.1:5090>\r\n%bMax-Forwards: 70\r\nExpires: 3600\r\n"
        b"User-Agent: bench\r\nContent-Length: 0\r\n\r\n"
    ) % (number, cseq, user, number, user, number, cseq, user, more)


def reply(received: bytes, status: bytes, content: bytes = _NOTHING) -> bytes:
    """Write the callee's response to a request as it came: as sipp does, with all Via values in one line."""
    lines = [line for line in received.split(b"\r\n") if line.lower().startswith(_ECHOED)]
    vias = b", ".join([line.partition(b": ")[2] for line in lines if line.startswith(b"Via:")])
    others = [line for line in lines if not line.startswith(b"Via:")]
    tagged = [line + b";tag=uas1" if line.startswith(b"To:") and b";tag=" not in line else line for line in others]
    contact = b"Contact: <sip:127.0.0.1:5090;transport=UDP>\r\n"
    return b"SIP/2.0 %b\r\nVia: %b\r\n%b\r\n%b%b" % (status, vias, b"\r\n".join(tagged), contact, content)


def of_kind(sent: Iterable[Datagram], start: bytes, destination: Address, count: int) -> list[bytes]:
    """Pick the datagrams to a peer that start so.

    @raise FlowError: there are more or less than C{count}
    """
    found = [data for data, where in sent if where == destination and data.startswith(start)]
    if len(found) != count:
        raise FlowError(f"{len(found)} instead of {count} datagrams with {start.decode()}")
    return found


def _call(calls: range, target: Callable[[int], bytes]) -> Flow:
    count = len(calls)
    invites = [request(b"INVITE", target(n), n, 1, more=b"Subject: bench\r\n" + _CONTENT) for n in calls]
    sent = yield Step("INVITE", [(data, CALLER) for data in invites])
    arrived = of_kind(sent, b"INVITE ", CALLEE, count)
    sent = yield Step("180", [(reply(data, b"180 Ringing"), CALLEE) for data in arrived])
    of_kind(sent, b"SIP/2.0 180", CALLER, count)
    sent = yield Step("200", [(reply(data, b"200 OK", _CONTENT), CALLEE) for data in arrived])
    of_kind(sent, b"SIP/2.0 200", CALLER, count)
    contact, tag = b"sip:127.0.0.1:5090;transport=UDP", b";tag=uas1"
    sent = yield Step("ACK", [(request(b"ACK", contact, n, 1, tag), CALLER) for n in calls])
    of_kind(sent, b"ACK ", CALLEE, count)
    sent = yield Step("BYE", [(request(b"BYE", contact, n, 2, tag), CALLER) for n in calls])
    arrived = of_kind(sent, b"BYE ", CALLEE, count)
    sent = yield Step("200 BYE", [(reply(data, b"200 OK"), CALLEE) for data in arrived])
    of_kind(sent, b"SIP/2.0 200", CALLER, count)


def call(calls: range) -> Flow:
    """Call a literal address."""
    return _call(calls, lambda n: b"sip:u%d@127.0.0.1:5090" % (n % USERS))


def registered_call(calls: range) -> Flow:
    """Call registered users."""
    return _call(calls, lambda n: b"sip:u%d@bench.test" % (n % USERS))


def redirect(calls: range) -> Flow:
    """Ask a redirect server where registered users are."""
    invites = [request(b"INVITE", b"sip:u%d@bench.test" % (n % USERS), n, 1) for n in calls]
    sent = yield Step("INVITE", [(data, CALLER) for data in invites])
    answers = of_kind(sent, b"SIP/2.0 302", CALLER, len(calls))
    acks = [_ack(invite, answer) for invite, answer in zip(invites, answers, strict=True)]
    yield Step("ACK", [(data, CALLER) for data in acks])


def _ack(invite: bytes, answer: bytes) -> bytes:
    """Write the ACK for a final response that is no 2xx (RFC 3261 17.1.1.3)."""
    to = next(line for line in answer.split(b"\r\n") if line.startswith(b"To:"))
    lines = invite.split(b"\r\n")
    kept = [line for line in lines[1:] if line.startswith((b"Via:", b"From:", b"Call-ID:", b"Max-Forwards:"))]
    return b"\r\n".join([lines[0].replace(b"INVITE", b"ACK", 1), *kept, to, b"CSeq: 1 ACK", _NOTHING])


def register(calls: range) -> Flow:
    """Register users; the second step is the time in which the registry commits."""
    yield Step("REGISTER", [(register_request(n), CALLER) for n in calls])
    sent = yield Step("commit", [])
    of_kind(sent, b"SIP/2.0 200", CALLER, len(calls))


def register_auth(calls: range) -> Flow:
    """Register users who are asked for credentials."""
    sent = yield Step("challenged", [(register_request(n), CALLER) for n in calls])
    answers = of_kind(sent, b"SIP/2.0 401", CALLER, len(calls))
    lines = [_credentials(n, answer) for n, answer in zip(calls, answers, strict=True)]
    yield Step("REGISTER", [(register_request(n, 2, line), CALLER) for n, line in zip(calls, lines, strict=True)])
    sent = yield Step("commit", [])
    of_kind(sent, b"SIP/2.0 200", CALLER, len(calls))


def _credentials(number: int, answer: bytes) -> bytes:
    """Write the header line that answers a challenge, as sipp does: with the server's address as uri."""
    challenge = next(line for line in answer.split(b"\r\n") if line.startswith(b"WWW-Authenticate: Digest "))
    asked = parse_auth_params(challenge.partition(b"Digest ")[2])
    realm, user, uri = DOMAIN.encode("ascii"), b"u%d" % (number % USERS), b"sip:127.0.0.1:5060"
    cnonce = b"%x" % number
    answered = DigestCredentials(user, realm, asked[b"nonce"], uri, b"", b"MD5", b"auth-int", b"00000001", cnonce)
    ha1 = hash_a1("MD5", user, realm, PASSWORD.encode("ascii"))
    response = compute_response("MD5", ha1, answered, b"REGISTER", b"")
    return (
        b'Authorization: Digest username="%b",realm="%b",cnonce="%b",nc=00000001,qop=auth-int,uri="%b",nonce="%b",'
        b'response="%b",algorithm=MD5,opaque="%b"\r\n'
    ) % (user, realm, cnonce, uri, asked[b"nonce"], response, asked[b"opaque"])


FLOWS: dict[str, Callable[[range], Flow]] = {
    "call": call,
    "registered-call": registered_call,
    "stateless-call": call,
    "redirect": redirect,
    "register": register,
    "register-auth": register_auth,
}
