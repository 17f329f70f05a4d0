"""A user agent of PJSUA2, run as a program: C{pjsua_agent.py HOST AOR REGISTRAR USER PASSWORD}.

Takes commands as lines (dial URI, answer, refuse, hang_up), gives events as JSON, one a line; the end of its
input ends it. It runs in an environment of its own, so it imports nothing of ours.
"""

import json
import os
import select
import signal
import sys
from typing import Any

# Not in the environment that the types are checked in.
import pjsua2 as pj  # type: ignore[import-not-found]

# The library prints to the standard output before it can be told not to.
_EVENTS = os.dup(1)
os.dup2(2, 1)


def tell(event: str, status: int = 0) -> None:
    """Give an event."""
    os.write(_EVENTS, json.dumps({"event": event, "status": status}).encode() + b"\n")


class Call(pj.Call):  # type: ignore[misc]
    """A call whose states are told."""

    def onCallState(self, prm: Any) -> None:
        """Tell the state that it has now."""
        info = self.getInfo()
        told = {
            pj.PJSIP_INV_STATE_EARLY: "ringing",
            pj.PJSIP_INV_STATE_CONFIRMED: "established",
            pj.PJSIP_INV_STATE_DISCONNECTED: "closed",
        }.get(info.state)
        if told is not None:
            tell(told, info.lastStatusCode)


class Account(pj.Account):  # type: ignore[misc]
    """The account, and the one call of it."""

    def __init__(self) -> None:
        super().__init__()
        self.call: Call | None = None

    def onRegState(self, prm: Any) -> None:
        """Tell the outcome of a registration."""
        tell("registered" if prm.code == 200 else "refused", prm.code)

    def onIncomingCall(self, prm: Any) -> None:
        """Let a call ring."""
        self.call = Call(self, prm.callId)
        self.call.answer(with_status(180))
        tell("called")


def with_status(status: int) -> Any:
    """Give the parameters of an operation with a status."""
    parameters = pj.CallOpParam(True)
    parameters.statusCode = status
    return parameters


def start(host: str) -> Any:
    """Start the library on a free port of an address, without a sound card and without threads of its own."""
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    configuration = pj.EpConfig()
    configuration.logConfig.consoleLevel = 0
    configuration.logConfig.filename = "pjsua.log"
    configuration.uaConfig.threadCnt = 0
    configuration.uaConfig.mainThreadOnly = True
    endpoint.libInit(configuration)
    endpoint.audDevManager().setNullDev()
    transport = pj.TransportConfig()
    transport.boundAddress = host
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    return endpoint


def register(host: str, aor: str, registrar: str, user: str, password: str) -> Account:
    """Make the account."""
    configuration = pj.AccountConfig()
    configuration.idUri = aor
    configuration.regConfig.registrarUri = registrar
    configuration.sipConfig.proxies.append(f"{registrar};lr")
    configuration.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
    configuration.mediaConfig.transportConfig.boundAddress = host
    account = Account()
    account.create(configuration)
    return account


def obey(account: Account, command: str) -> None:
    """Do what a line says."""
    word, _, argument = command.partition(" ")
    if word == "dial":
        account.call = Call(account)
        account.call.makeCall(argument, pj.CallOpParam(True))
    elif account.call is None:
        tell("no call")
    elif word == "hang_up":
        account.call.hangup(pj.CallOpParam())
    else:
        account.call.answer(with_status({"answer": 200, "refuse": 486}[word]))


def main(host: str, aor: str, registrar: str, user: str, password: str) -> None:
    """Run until the input ends."""
    endpoint = start(host)
    account = register(host, aor, registrar, user, password)
    waiting = b""
    while True:
        endpoint.libHandleEvents(20)
        if select.select([sys.stdin], [], [], 0)[0]:
            data = os.read(sys.stdin.fileno(), 4096)
            if not data:
                break
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                obey(account, line.decode())
    # The library aborts where an object of its outlives it; so nothing is taken apart.
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    main(*sys.argv[1:])
