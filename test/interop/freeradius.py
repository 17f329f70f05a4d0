"""FreeRADIUS as a peer: one that knows draft-sterman's digest by its own module, and RFC 5090's by rules of ours."""

import signal
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.interfaces import Address
from test.interop.harness import LOOPBACK, Process, free_port, make_folder, program, wait_until

SECRET = b"testing123"
REALM = "example.com"

# Its dictionaries have the numbers of RFC 5090 only in a file that is not loaded, as its digest module has those names.
_DICTIONARY = """
ATTRIBUTE R5090-Response 103 string
ATTRIBUTE R5090-Realm 104 string
ATTRIBUTE R5090-Nonce 105 string
ATTRIBUTE R5090-Method 108 string
ATTRIBUTE R5090-URI 109 string
ATTRIBUTE R5090-Qop 110 string
ATTRIBUTE R5090-Entity-Body-Hash 112 string
ATTRIBUTE R5090-CNonce 113 string
ATTRIBUTE R5090-Nonce-Count 114 string
ATTRIBUTE R5090-Username 115 string
"""

_USERS = """
bob Cleartext-Password := "hello"
    Reply-Message = "Hello, %{User-Name}",
    Session-Timeout = 3600
bob@example.com Cleartext-Password := "hello"
"""

_CONFIGURATION = """
prefix = /usr
raddbdir = ${{confdir}}
logdir = ${{confdir}}
run_dir = ${{confdir}}
libdir = /usr/lib/freeradius
pidfile = ${{confdir}}/radiusd.pid
correct_escapes = true
max_request_time = 30
cleanup_delay = 2
max_requests = 4096
hostname_lookups = no
log {{
    destination = files
    file = ${{confdir}}/radius.log
    auth = yes
}}
security {{
    max_attributes = 200
    reject_delay = 0
    status_server = yes
    allow_vulnerable_openssl = yes
}}
thread pool {{
    start_servers = 2
    max_servers = 4
    min_spare_servers = 1
    max_spare_servers = 3
    max_requests_per_server = 0
}}
client loop {{
    ipaddr = 127.0.0.0/8
    secret = {secret}
    require_message_authenticator = yes
}}
instantiate {{
    expr
}}
modules {{
    chap {{
    }}
    digest {{
    }}
    files {{
        usersfile = ${{confdir}}/users
    }}
    detail {{
        filename = ${{confdir}}/detail
    }}
    expr {{
    }}
    always ok {{
        rcode = ok
    }}
    always reject {{
        rcode = reject
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {auth}
    }}
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = {acct}
    }}
    authorize {{
        chap
        {digest}
        files
    }}
    authenticate {{
        Auth-Type R5090 {{
            update request {{
                &Tmp-String-0 := "%{{md5:%{{R5090-Username}}:%{{R5090-Realm}}:%{{control:Cleartext-Password}}}}"
                &Tmp-String-1 := "%{{R5090-Method}}:%{{R5090-URI}}"
            }}
            if (&R5090-Qop == "auth-int") {{
                update request {{
                    &Tmp-String-1 := "%{{R5090-Method}}:%{{R5090-URI}}:%{{R5090-Entity-Body-Hash}}"
                }}
            }}
            update request {{
                &Tmp-String-2 := "%{{R5090-Nonce}}"
                &Tmp-String-3 := "%{{md5:%{{Tmp-String-1}}}}"
            }}
            if (&R5090-Qop) {{
                update request {{
                    &Tmp-String-2 := "%{{R5090-Nonce}}:%{{R5090-Nonce-Count}}:%{{R5090-CNonce}}:%{{R5090-Qop}}"
                }}
            }}
            if ("%{{md5:%{{Tmp-String-0}}:%{{Tmp-String-2}}:%{{Tmp-String-3}}}}" == "%{{R5090-Response}}") {{
                ok
            }}
            else {{
                reject
            }}
        }}
        Auth-Type CHAP {{
            chap
        }}
        digest
    }}
    accounting {{
        detail
    }}
}}
"""
_KNOWS = {
    "Sterman": "digest",
    "RFC5090": "if (&R5090-Response) {\n            update control {\n                &Auth-Type := R5090\n"
    "            }\n        }",
}


class FreeRadius:
    """A FreeRADIUS that runs until its test ends.

    It knows C{bob}, whose password is C{hello}.

    @ivar auth: where it is asked
    @ivar acct: where it is told
    """

    def __init__(self, test: SynchronousTestCase, knows: str = "Sterman") -> None:
        """Start it, and wait until it answers.

        @param knows: which digest it understands: C{Sterman} or C{RFC5090}
        """
        self._test = test
        self._program = program("freeradius", "freeradius")
        self._client = program("radclient", "freeradius-utils")
        self._folder = make_folder(test)
        first = free_port(2)
        self.auth: Address = (LOOPBACK, first)
        self.acct: Address = (LOOPBACK, first + 1)
        configuration = _CONFIGURATION.format(
            secret=SECRET.decode("ascii"), auth=first, acct=first + 1, digest=_KNOWS[knows]
        )
        for name, text in (("radiusd.conf", configuration), ("users", _USERS), ("dictionary", _DICTIONARY)):
            Path(self._folder, name).write_text(text)
        self.start()

    def start(self) -> None:
        """Start it, also after L{stop}."""
        self._process = Process(self._test, [self._program, "-f", "-d", self._folder], self._folder)
        wait_until(self._answers, "FreeRADIUS answers")

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def pause(self) -> None:
        """Let it do nothing; what arrives waits in its socket."""
        self._process.send_signal(signal.SIGSTOP)
        self._test.addCleanup(self._process.send_signal, signal.SIGCONT)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def records(self) -> str:
        """Give what it was told of calls."""
        found = Path(self._folder, "detail")
        return found.read_text() if found.exists() else ""

    def _answers(self) -> bool:
        self._process.see_alive()
        asked = subprocess.run(
            [self._client, "-q", "-t", "0.2", "-r", "1", f"{LOOPBACK}:{self.auth[1]}", "status", SECRET],
            input=b"Message-Authenticator = 0x00",
            capture_output=True,
        )
        return asked.returncode == 0
