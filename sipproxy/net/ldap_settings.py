"""Directives of the LDAP directory that subscribers may be in, and the directory that they describe.

Not here: what is looked for in it, which the subscriber database knows.
"""

import re
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from OpenSSL.crypto import Error as CertificateError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates

from sipproxy.config import (
    ConfigError,
    Directive,
    Kind,
    Problem,
    Settings,
    WrongValueError,
    address_port,
    milliseconds,
    on_off,
    path,
    text,
    whole,
)
from sipproxy.config.kinds import one_word
from sipproxy.interfaces import IResolver
from sipproxy.net.ldap import LdapDirectory
from sipproxy.net.ldap_connector import LdapServer
from sipproxy.net.ldap_messages import Bind
from sipproxy.net.radius_settings import SecretFileError, read_secret

_PORTS = {"ldap": 389, "ldaps": 636}
_URL = re.compile(r"(?P<scheme>ldaps?)://(?P<place>[^/?#]+)/?", re.IGNORECASE)
_EXPECTED = "ldap://host[:port] or ldaps://host[:port]"
# RFC 4512 1.4, descr.
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
#: Octets of a file with certificates, at most: a wrong path may lead to anything.
_LONGEST_CA = 1 << 20


class LdapUrl(NamedTuple):
    """Where a directory is.

    @ivar is_secure: whether TLS begins at once
    """

    host: str
    port: int
    is_secure: bool


class CaFileError(Exception):
    """A file with certificates that cannot be used; the text is what is expected instead."""


def _url() -> Kind[LdapUrl]:
    """Read the URL of a server (RFC 4516) with nothing behind its port: the rest has directives of its own."""

    def parse(word: str) -> LdapUrl:
        found = _URL.fullmatch(word)
        if found is None:
            raise ValueError
        scheme = found["scheme"].lower()
        try:
            host, port = address_port(_PORTS[scheme]).parse((found["place"],))
        except WrongValueError:
            raise ValueError from None
        return LdapUrl(host, port, scheme == "ldaps")

    return one_word(parse, _EXPECTED, "ldap[s]://host[:port]")


def _attribute() -> Kind[str]:
    """Read the name of an attribute."""

    def parse(word: str) -> str:
        if _ATTRIBUTE.fullmatch(word) is None:
            raise ValueError
        return word

    return one_word(parse, "the name of an attribute: a letter, then letters, digits or -", "name")


SERVER: Directive[LdapUrl | None] = Directive(
    "LDAPServer", _url(), None, "The directory; must be set where SubscriberDatabase is ldap."
)
BASE_DN: Directive[str | None] = Directive(
    "LDAPBaseDN", text(), None, "The entry that subscribers are looked for below; must be set likewise."
)
BIND_DN: Directive[str | None] = Directive("LDAPBindDN", text(), None, "Who we are there; by default nobody.")
PASSWORD_FILE: Directive[Path | None] = Directive(
    "LDAPPasswordFile", path(), None, "File with the password of LDAPBindDN, whose final line end does not count."
)
START_TLS = Directive("LDAPStartTLS", on_off(), False, "Begin TLS on each connection before anything else is said.")
CA: Directive[Path | None] = Directive(
    "LDAPCA",
    path(),
    None,
    "File with the certificates (PEM) that the directory's must be signed by, by default those that the system trusts.",
)
TIMEOUT = Directive("LDAPTimeoutInMs", milliseconds(minimum=1), 2.0, "How long an answer of the directory may take.")
POOL_SIZE = Directive("LDAPPoolSize", whole(1, 100), 4, "Connections at most; a list of all has one more for itself.")
USER_ATTRIBUTE = Directive(
    "LDAPUserAttribute",
    _attribute(),
    "SIPIdentityUserName",
    "The attribute with the name, or the names, of a subscriber: user, or user@domain.",
)

DIRECTIVES: tuple[Directive[Any], ...] = (
    SERVER,
    BASE_DN,
    BIND_DN,
    PASSWORD_FILE,
    START_TLS,
    CA,
    TIMEOUT,
    POOL_SIZE,
    USER_ATTRIBUTE,
)


def check(settings: Settings) -> Iterator[Problem]:
    """Give what is wrong with the values, where SubscriberDatabase is ldap."""
    # The names are said as there is no place to point to.
    for directive, what in ((SERVER, _EXPECTED), (BASE_DN, "entry")):
        if settings[directive] is None:
            yield settings.error(directive, f"{directive.name} {what}, as SubscriberDatabase is ldap")
    yield from _check_bind(settings)
    yield from _check_tls(settings)


def _check_bind(settings: Settings) -> Iterator[Problem]:
    name, file = settings[BIND_DN], settings[PASSWORD_FILE]
    if name and file is None:
        # RFC 4513 5.1.2: many servers take a name without a password for nobody, and say that all is well.
        yield settings.error(PASSWORD_FILE, "LDAPPasswordFile path, as there is LDAPBindDN")
    if file is None:
        return
    if not name:
        yield settings.error(BIND_DN, "LDAPBindDN entry, as there is LDAPPasswordFile")
    try:
        read_secret(file)
    except SecretFileError as error:
        yield settings.error(PASSWORD_FILE, str(error))
        return
    if file.stat().st_mode & stat.S_IROTH:
        yield settings.warning(PASSWORD_FILE, "a file that others cannot read (chmod o-r)")


def _check_tls(settings: Settings) -> Iterator[Problem]:
    server, ca = settings[SERVER], settings[CA]
    if server is None:
        return
    if server.is_secure and settings[START_TLS]:
        yield settings.error(START_TLS, "Off, or ldap:// in LDAPServer: with ldaps:// TLS has begun already")
    if ca is not None:
        try:
            _read_ca(ca)
        except CaFileError as error:
            yield settings.error(CA, str(error))
    if server.is_secure or settings[START_TLS]:
        return
    if ca is not None:
        yield settings.warning(CA, "ldaps:// or LDAPStartTLS On beside it, as certificates are for TLS only")
    if not _is_near(server.host):
        yield settings.warning(SERVER, "ldaps:// or LDAPStartTLS On, as passwords of subscribers come in clear")


def _is_near(host: str) -> bool:
    """Tell whether what is said to a host stays on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_ca(file: Path) -> list[Certificate]:
    """Read certificates.

    @raise CaFileError: there are none
    """
    try:
        with open(file, "rb") as opened:
            content = opened.read(_LONGEST_CA + 1)
    except OSError as error:
        raise CaFileError(f"a file that can be read ({error.strerror})") from error
    try:
        found = [Certificate.loadPEM(each) for each in _CERTIFICATE.findall(content)]
    except (CertificateError, ValueError) as error:
        raise CaFileError("a file with certificates (PEM) that can be read") from error
    if not found or len(content) > _LONGEST_CA:
        raise CaFileError(f"a file with certificates (PEM) of {_LONGEST_CA} octets at most")
    return found


def _trust(ca: Path | None) -> Any:
    """Give whom to believe.

    @raise CaFileError: the file is of no use
    """
    if ca is None:
        return platformTrust()  # type: ignore[no-untyped-call]
    return trustRootFromCertificates(_read_ca(ca))  # type: ignore[no-untyped-call]


def configured_server(settings: Settings) -> LdapServer:
    """Give the directory of a configuration that has been checked.

    @raise ConfigError: a file cannot be used any more
    """
    server = settings[SERVER] or LdapUrl("", 0, False)
    bind = Bind("", b"")
    tls: IOpenSSLClientConnectionCreator | None = None
    file, ca = settings[PASSWORD_FILE], settings[CA]
    try:
        if file is not None:
            bind = Bind(settings[BIND_DN] or "", read_secret(file))
        if server.is_secure or settings[START_TLS]:
            tls = optionsForClientTLS(server.host, trustRoot=_trust(ca))
    except SecretFileError as error:
        raise ConfigError([settings.error(PASSWORD_FILE, str(error))]) from error
    except CaFileError as error:
        raise ConfigError([settings.error(CA, str(error))]) from error
    return LdapServer(server.host, server.port, settings[BASE_DN] or "", bind, tls, settings[START_TLS])


def configured_directory(settings: Settings, reactor: Any, resolver: IResolver) -> LdapDirectory:
    """Make the directory that a configuration describes; nothing is connected before the first question.

    @raise ConfigError: a file cannot be used any more
    """
    return LdapDirectory(reactor, resolver, configured_server(settings), settings[POOL_SIZE], settings[TIMEOUT])
