"""OpenLDAP's slapd as a peer, with the classes of H.350.2 and H.350.4, and certificates for it."""

import base64
import signal
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from test.interop.harness import LOOPBACK, Process, free_port, make_folder, program, wait_until

SUFFIX = "dc=example,dc=test"
PEOPLE = f"ou=h350,{SUFFIX}"
READER, READER_PASSWORD = f"cn=sipproxy,{SUFFIX}", "p'w\\d \N{SNOWMAN}"
_ADMINISTRATOR = f"cn=admin,{SUFFIX}"

# H.350 2.2 and H.350.4: numbers under 0.0.8.350.1.1 are the ITU's. Names of users are compared without regard to
# case, URIs with it.
_SCHEMA = """
attributetype ( 0.0.8.350.1.1.2.1.1 NAME 'commUniqueId' EQUALITY caseIgnoreMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 0.0.8.350.1.1.2.2.1 NAME 'commObject' SUP top STRUCTURAL MUST commUniqueId )
attributetype ( 0.0.8.350.1.1.6.1.1 NAME 'SIPIdentitySIPURI' EQUALITY caseExactMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 0.0.8.350.1.1.6.1.2 NAME 'SIPIdentityRegistrarAddress' EQUALITY caseIgnoreMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 0.0.8.350.1.1.6.1.3 NAME 'SIPIdentityProxyAddress' EQUALITY caseIgnoreMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 0.0.8.350.1.1.6.1.4 NAME 'SIPIdentityAddress' EQUALITY caseIgnoreMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 0.0.8.350.1.1.6.1.5 NAME 'SIPIdentityPassword' EQUALITY octetStringMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
attributetype ( 0.0.8.350.1.1.6.1.6 NAME 'SIPIdentityUserName' EQUALITY caseIgnoreMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 0.0.8.350.1.1.6.1.7 NAME 'SIPIdentityServiceLevel' EQUALITY caseIgnoreMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 0.0.8.350.1.1.6.2.1 NAME 'SIPIdentity' SUP top AUXILIARY
    MAY ( SIPIdentitySIPURI $ SIPIdentityRegistrarAddress $ SIPIdentityProxyAddress $ SIPIdentityAddress $
    SIPIdentityPassword $ SIPIdentityUserName $ SIPIdentityServiceLevel ) )
"""

_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include {folder}/h350.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
sizelimit size.soft=500 size.hard=unlimited
idletimeout {idle}
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
database mdb
maxsize 67108864
suffix "{suffix}"
rootdn "{administrator}"
rootpw secret
directory {folder}/db
dbnosync
index objectClass,SIPIdentityUserName eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by anonymous auth by * none
"""


class Authority:
    """Who signs certificates.

    @ivar certificate: the file with its own
    """

    def __init__(self, folder: Path, name: str) -> None:
        """Make it and its file."""
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = folder / f"{name}.pem"
        _write(self.certificate, self._sign(self._name, self._key.public_key(), None))

    def issue(self, host: str, certificate: Path, key: Path) -> None:
        """Make a server's certificate and key.

        @param host: a literal address
        """
        own = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "slapd")])
        _write(certificate, self._sign(name, own.public_key(), host))
        key.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, host: str | None) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        )
        if host is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _write(file: Path, certificate: x509.Certificate) -> None:
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def person(number: int, values: Mapping[str, Sequence[str | bytes]], classes: str = "SIPIdentity") -> str:
    """Write an entry as LDIF (RFC 2849), with each value in base64.

    @param classes: class beside commObject, empty for none
    """
    lines = [f"dn: commUniqueId={number},{PEOPLE}", "objectClass: commObject"]
    # Values of one attribute stand together, or slapadd takes only some.
    lines += [f"objectClass: {classes}"] if classes else []
    lines.append(f"commUniqueId: {number}")
    for name, each in values.items():
        lines += [f"{name}:: {_base64(value)}" for value in each]
    return "\n".join(lines) + "\n\n"


def _base64(value: str | bytes) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()


class Slapd:
    """A server that runs until its test ends.

    @ivar port: where it speaks LDAP
    @ivar secure_port: where it speaks LDAP over TLS
    @ivar authority: who has signed its certificate
    @ivar process: it, while it runs
    """

    def __init__(self, test: Any, people: str) -> None:
        """Start it.

        @param people: LDIF of what is in it
        @raise SkipTest: it is not installed
        """
        self._program, load = program("slapd", "slapd"), program("slapadd", "slapd")
        self._test = test
        self.folder = make_folder(test, "slapd")
        self.port = free_port(2)
        self.secure_port = self.port + 1
        self.authority = Authority(self.folder, "authority")
        self.certify(LOOPBACK)
        (self.folder / "db").mkdir()
        (self.folder / "h350.schema").write_text(_SCHEMA)
        self._configuration = self.folder / "slapd.conf"
        self.configure()
        ldif = self.folder / "tree.ldif"
        ldif.write_text(_tree() + people)
        command = [load, "-q", "-f", str(self._configuration), "-l", str(ldif)]
        loaded = subprocess.run(command, capture_output=True, text=True, timeout=30)
        if loaded.returncode:
            raise AssertionError(f"slapadd: {loaded.stderr}")
        self.start()

    def configure(self, idle: int = 0) -> None:
        """Write its configuration, which it reads when it is started.

        @param idle: how long it keeps an idle connection, seconds; 0 for ever
        """
        values = {"suffix": SUFFIX, "administrator": _ADMINISTRATOR, "reader": READER}
        self._configuration.write_text(_CONFIGURATION.format(folder=self.folder, idle=idle, **values))

    def certify(self, host: str) -> None:
        """Give it a certificate, which it reads when it is started.

        @param host: whom it is for
        """
        self.authority.issue(host, self.folder / "server.pem", self.folder / "server.key")

    def start(self) -> None:
        """Start it, perhaps again, and wait until it answers."""
        urls = f"ldap://{LOOPBACK}:{self.port} ldaps://{LOOPBACK}:{self.secure_port}"
        command = [self._program, "-f", str(self._configuration), "-h", urls, "-d", "0"]
        self.process = Process(self._test, command, self.folder)
        wait_until(self._answers, "slapd answers")

    def kill(self) -> None:
        """End it without notice."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """Let it be silent; its sockets still take what comes."""
        self.process.send_signal(signal.SIGSTOP)
        # Before the harness ends it; it cannot hear that while it is stopped.
        self._test.addCleanup(self.thaw)

    def thaw(self) -> None:
        """Let it go on."""
        if self.process.status is None:
            self.process.send_signal(signal.SIGCONT)

    def connections(self) -> int:
        """Count the connections to it that are open, by the kernel's table."""
        ports = {f"{port:04X}" for port in (self.port, self.secure_port)}
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        # 01 is ESTABLISHED; each is counted once, by the server's end.
        return sum(1 for line in lines if line[1].rpartition(":")[2] in ports and line[3] == "01")

    def _answers(self) -> bool:
        self.process.see_alive()
        command = [program("ldapsearch", "ldap-utils"), "-x", "-H", f"ldap://{LOOPBACK}:{self.port}", "-s", "base"]
        return subprocess.run([*command, "-b", "", "-LLL", "1.1"], capture_output=True, timeout=10).returncode == 0


def _tree() -> str:
    suffix = f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n"
    reader = (
        f"dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: sipproxy\n"
        f"userPassword:: {_base64(READER_PASSWORD)}\n\n"
    )
    return f"{suffix}{reader}dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: h350\n\n"
