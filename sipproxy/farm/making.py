"""Makes a member of the farm as it is configured; C{app} puts what is made here in the place of what is not shared."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from OpenSSL.crypto import Error
from twisted.internet.ssl import Certificate, PrivateCertificate, optionsForClientTLS, trustRootFromCertificates
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from sipproxy.config import ConfigError, Settings
from sipproxy.databases.records import I, R
from sipproxy.databases.registry_store import IRegistryStore
from sipproxy.databases.table import Form, IRowStore
from sipproxy.farm import settings as farm
from sipproxy.farm.etcd import EtcdKeyspace
from sipproxy.farm.etcd_client import EtcdClient, Login
from sipproxy.farm.farm import Databases, Farm, SharedRows
from sipproxy.farm.keyspace import IKeyspace
from sipproxy.farm.layout import Keys
from sipproxy.farm.link import Link
from sipproxy.farm.lock import Lock
from sipproxy.farm.members import Members, Self
from sipproxy.farm.notes import INotes, MemoryNotes, SqliteNotes
from sipproxy.farm.registry import SharedRegistry, Writing
from sipproxy.farm.table import SharedTable

_END = b"-----END CERTIFICATE-----"


@implementer(IPolicyForHTTPS)
class EtcdPolicy:
    """Which servers are believed, and who we are to them.

    @param certificate: file of ours, in PEM; None for none
    @param key: file of its private key
    @param ca: file of those who vouch for the servers; None for those the system knows
    """

    def __init__(self, certificate: Path | None, key: Path | None, ca: Path | None) -> None:
        """
        @raise OSError: a file cannot be read
        @raise OpenSSL.crypto.Error: it is none
        """
        self._root: Any = None if ca is None else trustRootFromCertificates(_certificates(ca))  # type: ignore[no-untyped-call]
        self._mine: Any = None
        if certificate is not None and key is not None:
            pem = certificate.read_bytes() + b"\n" + key.read_bytes()
            self._mine = PrivateCertificate.loadPEM(pem)  # type: ignore[no-untyped-call]

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        """Give how to connect to a server."""
        return optionsForClientTLS(hostname.decode("ascii"), self._root, self._mine)


def _certificates(file: Path) -> list[Any]:
    parts = file.read_bytes().split(_END)[:-1]
    return [Certificate.loadPEM(part + _END) for part in parts]


def configured_keyspace(settings: Settings, reactor: Any) -> EtcdKeyspace:
    """Give etcd as it is configured; nothing is asked yet.

    @raise ConfigError: a file cannot be read
    """
    user = settings[farm.USER]
    login = None if user is None else Login(user, farm.configured_password(settings))
    policy = None
    if any(url.startswith("https:") for url in settings[farm.ENDPOINT]):
        policy = _configured_policy(settings)
    # Two servers can be asked while a registration waits.
    attempt = max(settings[farm.WRITE_TIMEOUT] / 2, 0.25)
    return EtcdKeyspace(EtcdClient(reactor, settings[farm.ENDPOINT], login, policy, attempt))


def _configured_policy(settings: Settings) -> EtcdPolicy:
    try:
        return EtcdPolicy(settings[farm.CERTIFICATE], settings[farm.KEY], settings[farm.CA])
    except (OSError, ValueError, Error) as error:
        directive = farm.CERTIFICATE if settings[farm.CERTIFICATE] is not None else farm.CA
        raise ConfigError([settings.error(directive, f"certificates that can be read ({error})")]) from error


class Sharing:
    """What the shared databases of a member have in common.

    @param member: its name
    @param version: of sipproxy
    @param registry_place: the file of the registry, beside which what is pending is noted; or C{memory}
    """

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        random: Random,
        member: str,
        version: str,
        listen: Sequence[str],
        registry_place: Path | str,
        keyspace: IKeyspace | None = None,
    ) -> None:
        """
        @param keyspace: the engine, by default the configured etcd
        @raise ConfigError: a file cannot be read
        """
        self._settings = settings
        self._reactor = reactor
        self._random = random
        self._keyspace: IKeyspace = configured_keyspace(settings, reactor) if keyspace is None else keyspace
        self._keys = Keys(settings[farm.FARM_NAME])
        self._link = Link(reactor.seconds)
        self._notes: INotes = MemoryNotes()
        if isinstance(registry_place, Path):
            self._notes = SqliteNotes(registry_place.with_name("farm.db"), reactor)
        self._ttl = round(settings[farm.LOCK_TTL])
        me = Self(member, version, reactor.seconds(), tuple(listen))
        self._members = Members(self._keyspace, self._keys, me, self._ttl, settings[farm.EXPECT_MEMBERS])

    def shares(self, name: str) -> bool:
        """Tell whether the farm has a database."""
        return name in self._settings[farm.SHARED]

    def registry(self, store: IRegistryStore) -> SharedRegistry:
        """Make this member's registry.

        @param store: where its copy is kept
        """
        return SharedRegistry(
            store,
            self._reactor,
            self._reactor.seconds,
            self._keyspace,
            self._keys.database("registry"),
            self._link,
            self._notes,
            Writing(self._settings[farm.WRITE_TIMEOUT], self._settings[farm.ACKNOWLEDGE] == "Strict"),
        )

    def table(self, name: str, form: Form[R, I], store: IRowStore) -> SharedTable[R, I]:
        """Make this member's copy of a table.

        @param name: as FarmDatabases has it
        @param store: where its copy is kept
        """
        lock = Lock(self._keyspace, self._reactor, self._keys.lock(name), self._members.me.name, self._token, self._ttl)
        return SharedTable(form, store, self._reactor, self._keyspace, self._keys.database(name), self._link, lock)

    def _token(self) -> str:
        return f"{self._random.getrandbits(64):016x}"

    def farm(self, registry: SharedRegistry | None, tables: Mapping[str, SharedRows]) -> Farm:
        """Make the member.

        @param tables: by name, as FarmDatabases has them
        """
        return Farm(
            self._reactor,
            self._random,
            self._keyspace,
            self._keys,
            self._link,
            self._members,
            self._notes,
            Databases(registry, tables),
            self._ttl,
        )
