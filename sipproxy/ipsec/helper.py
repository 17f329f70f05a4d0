"""The process that changes the kernel's IPsec tables (RFC 4301 4.4) for a server that has no right to.

It is started while the server still may, reads requests from its standard input
and answers on its standard output, each a JSON object on a line. The requests
are few and fixed (L{REQUESTS}); every field of one is checked here, whatever the
server sends. C{ip} of iproute2 does the work, one command each, by its standard
input, so that keys stand on no command line.

Only what was added here is removed here. What carries our mark is from a
process that was killed, and is replaced; what has none is somebody else's and
stays. When the standard input ends, so does this: all that it has added goes.

It imports nothing but the standard library, and runs as
C{python -m sipproxy.ipsec.helper} or by its path alone (C{python -I helper.py}).
"""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, NamedTuple, TextIO

#: Request identifier of all associations of ours, by which policies find them ("SIP" in ASCII).
REQID = 0x534950
#: Priorities, lower ones first: what must be protected, and what is discarded as nothing else fits.
PROTECT_PRIORITY = 5060
BLOCK_PRIORITY = 0x53495000
#: Seconds that C{ip} may take.
TIMEOUT = 5
#: Characters of a request, at most; and entries that may be there at a time.
LONGEST_REQUEST = 4096
MOST_ENTRIES = 20_000

_PLACES = ("/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip")
# RFC 4868 2.3: an authenticator has half of the hash's bits.
_AUTHENTICATIONS = {
    "hmac-sha256": ("hmac(sha256)", 128),
    "hmac-sha384": ("hmac(sha384)", 192),
    "hmac-sha512": ("hmac(sha512)", 256),
}
_ENCRYPTIONS = {"aes-cbc": "cbc(aes)"}
_KEY = re.compile(r"(?:[0-9a-f]{2}){16,64}")


class RequestError(Exception):
    """A request that is not served; the text is one line."""


class Entry(NamedTuple):
    """An entry of the kernel's tables.

    @ivar table: C{state} or C{policy}
    @ivar selector: what it is found by
    @ivar content: what follows when it is added
    @ivar mark: what C{ip} shows of one of ours
    """

    table: str
    selector: str
    content: str
    mark: str


def _fields(request: Mapping[str, Any], *names: str) -> list[Any]:
    """Give the fields of a request.

    @raise RequestError: one is not there, or there are others
    """
    if set(request) != {"id", "do", "what", *names}:
        raise RequestError(f"expected the fields {', '.join(names)}")
    return [request[name] for name in names]


def _address(value: Any) -> str:
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return str(ip_address(value))
    except ValueError:
        raise RequestError("expected a literal address") from None


def _pair(one: Any, other: Any) -> tuple[str, str]:
    found = _address(one), _address(other)
    if (":" in found[0]) != (":" in found[1]):
        raise RequestError("expected two addresses of one family")
    return found


def _number(value: Any, least: int, largest: int) -> int:
    if type(value) is not int or not least <= value <= largest:
        raise RequestError(f"expected a number from {least} to {largest}")
    return value


def _word(value: Any, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in known:
        raise RequestError(f"expected one of {', '.join(known)}")
    return value


def _key(value: Any) -> str:
    if not isinstance(value, str) or _KEY.fullmatch(value) is None:
        raise RequestError("expected a key in hexadecimal")
    return value


def _association(request: Mapping[str, Any]) -> Entry:
    """One direction of a manual association (RFC 4301 4.4.2)."""
    source, destination, spi, mode, encryption, encryption_key, authentication, authentication_key = _fields(
        request, "source", "destination", "spi", "mode",
        "encryption", "encryption_key", "authentication", "authentication_key",
    )  # fmt: skip
    source, destination = _pair(source, destination)
    number = _number(spi, 256, 2**32 - 1)
    cipher = _ENCRYPTIONS[_word(encryption, _ENCRYPTIONS)]
    digest, bits = _AUTHENTICATIONS[_word(authentication, _AUTHENTICATIONS)]
    return Entry(
        "state",
        f"src {source} dst {destination} proto esp spi {number:#x}",
        # RFC 4303 3.3.3: no check for replays, as the counter of manual keys begins anew with each start.
        f"reqid {REQID} mode {_word(mode, ('transport', 'tunnel'))} replay-window 0 "
        f"auth-trunc {digest} 0x{_key(authentication_key)} {bits} enc {cipher} 0x{_key(encryption_key)}",
        f"reqid {REQID} ",
    )


def _protection(request: Mapping[str, Any]) -> Entry:
    """A policy that lets traffic pass only with its association (RFC 4301 4.4.1); port 0 is all traffic."""
    direction, source, destination, port, mode = _fields(request, "direction", "source", "destination", "port", "mode")
    source, destination = _pair(source, destination)
    chosen = _traffic(direction, _number(port, 0, 65_535))
    template = (
        f"tmpl src {source} dst {destination} proto esp reqid {REQID} mode {_word(mode, ('transport', 'tunnel'))}"
    )
    return Entry(
        "policy",
        f"src {source} dst {destination} {chosen}",
        f"priority {PROTECT_PRIORITY} {template}",
        f"priority {PROTECT_PRIORITY} ",
    )


def _block(request: Mapping[str, Any]) -> Entry:
    """A policy that discards the SIP of a peer that no other policy takes."""
    direction, peer, port = _fields(request, "direction", "peer", "port")
    address = _address(peer)
    everyone = "::/0" if ":" in address else "0.0.0.0/0"
    chosen = _traffic(direction, _number(port, 1, 65_535))
    source, destination = (address, everyone) if direction == "in" else (everyone, address)
    return Entry(
        "policy",
        f"src {source} dst {destination} {chosen}",
        f"action block priority {BLOCK_PRIORITY}",
        f"priority {BLOCK_PRIORITY} ",
    )


def _traffic(direction: Any, port: int) -> str:
    ours = {"in": "dport", "out": "sport"}[_word(direction, ("in", "out"))]
    return f"{f'proto udp {ours} {port} ' if port else ''}dir {direction}"


#: What may be added and removed, and what makes its entry.
REQUESTS: Mapping[str, Callable[[Mapping[str, Any]], Entry]] = {
    "association": _association,
    "protection": _protection,
    "block": _block,
}


class Kernel:
    """The kernel's tables, by way of C{ip}."""

    def __init__(self, program: str) -> None:
        """
        @param program: the path of C{ip}
        """
        self._program = program
        self._added: dict[str, Entry] = {}

    def serve(self, line: str) -> dict[str, Any]:
        """Do what a request asks for.

        @return: the answer: its C{id}, and C{error} where it was not done
        """
        answer: dict[str, Any] = {}
        try:
            request = json.loads(line) if len(line) <= LONGEST_REQUEST else None
            if not isinstance(request, dict):
                raise RequestError("expected a JSON object")
            answer["id"] = request.get("id")
            do = _word(request.get("do"), ("add", "remove"))
            entry = REQUESTS[_word(request.get("what"), tuple(REQUESTS))](request)
            self._add(entry) if do == "add" else self._remove(entry)
        except (ValueError, RecursionError):
            answer["error"] = "expected JSON"
        except RequestError as error:
            answer["error"] = str(error)
        return answer

    def remove_all(self) -> None:
        """Remove all that was added, the newest first."""
        for entry in reversed(tuple(self._added.values())):
            try:
                self._remove(entry)
            except RequestError as error:
                print(error, file=sys.stderr)

    def _add(self, entry: Entry) -> None:
        key = f"{entry.table} {entry.selector}"
        if key in self._added:
            raise RequestError("it is there already")
        if len(self._added) >= MOST_ENTRIES:
            raise RequestError("there are too many")
        command = f"xfrm {entry.table} add {entry.selector} {entry.content}"
        try:
            self._run(command)
        except RequestError as error:
            if "File exists" not in str(error):
                raise
            if entry.mark not in self._run(f"xfrm {entry.table} get {entry.selector}"):
                raise RequestError("there is one that is not ours, which stays") from None
            self._run(f"xfrm {entry.table} delete {entry.selector}")
            self._run(command)
        self._added[key] = entry

    def _remove(self, entry: Entry) -> None:
        if self._added.pop(f"{entry.table} {entry.selector}", None) is None:
            raise RequestError("it was not added here")
        self._run(f"xfrm {entry.table} delete {entry.selector}")

    def _run(self, command: str) -> str:
        """Run one command of C{ip}, and give what it prints.

        @raise RequestError: it fails
        """
        try:
            done = subprocess.run(
                [self._program, "-batch", "-"], input=f"{command}\n", capture_output=True, text=True, timeout=TIMEOUT
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RequestError(f"{self._program}: {error if isinstance(error, OSError) else 'does not end'}") from None
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line and not line.startswith("Command failed")]
            raise RequestError("; ".join(lines) or f"{self._program} has ended with {done.returncode}")
        return done.stdout


def serve(requests: TextIO, answers: TextIO, kernel: Kernel) -> None:
    """Serve requests to their end, then remove all that they have added."""
    try:
        while line := requests.readline(LONGEST_REQUEST + 1):
            print(json.dumps(kernel.serve(line)), file=answers, flush=True)
    except BrokenPipeError:
        pass  # the server has gone
    finally:
        kernel.remove_all()


def main() -> None:
    """Serve the standard input; the end of the server is told by its end, not by signals to all of a terminal."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    places = sys.argv[1:] or _PLACES
    found = next((place for place in places if _is_there(place)), places[0])
    serve(sys.stdin, sys.stdout, Kernel(found))


def _is_there(place: str) -> bool:
    try:
        with open(place, "rb"):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
