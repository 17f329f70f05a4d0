"""The works that are measured, and the configuration of ours for each."""

from collections.abc import Mapping
from pathlib import Path

WORKS = ("call", "registered-call", "stateless-call", "redirect", "register", "register-auth")

#: Works whose callees are registered first.
NEED_REGISTRATIONS = frozenset({"registered-call", "redirect"})
#: Works that end at a telephone.
NEED_CALLEE = frozenset({"call", "registered-call", "stateless-call"})
#: Works whose users have passwords.
NEED_SUBSCRIBERS = frozenset({"register-auth"})

DOMAIN = "bench.test"
USERS = 1000
PASSWORD = "secret"

_OWN: Mapping[str, Mapping[str, str]] = {
    "call": {"AddRecordRoute": "On"},
    "registered-call": {"AddRecordRoute": "On"},
    "stateless-call": {"AddRecordRoute": "On", "StatefulServer": "Off"},
    "redirect": {"SIPServerMode": "Redirect"},
    "register": {},
    # sipp answers the first challenge, and knows no other algorithm.
    "register-auth": {"Authentication": "On", "AuthAlgorithms": "MD5"},
}


def directives(work: str, root: Path, port: int, **others: str) -> dict[str, str]:
    """Give the configuration for a work; all that is not said here is as it comes, the access log among it.

    @param root: the ServerRoot
    @param port: UDP port on 127.0.0.1
    @param others: further directives, or other values
    """
    return {
        "ServerRoot": str(root),
        "ServerName": "127.0.0.1",
        "Listen": f"127.0.0.1:{port}",
        "ProxyDomain": DOMAIN,
        **_OWN[work],
        **others,
    }


def write_configuration(path: Path, values: Mapping[str, str]) -> None:
    """Write directives as a configuration file."""
    path.write_text("".join(f"{name} {value}\n" for name, value in values.items()), encoding="ascii")
