"""mod_sip_authen.c: the directives of authentication, and their values as the code reads them.

Not here: where subscribers are kept (the subscriber database's own directives).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from sipproxy.access.failures import Rate
from sipproxy.config import (
    Computed,
    Directive,
    Problem,
    Settings,
    WrongValueError,
    each,
    joined,
    networks,
    on_off,
    one_of,
    seconds,
    whole,
)
from sipproxy.config.kinds import one_word

Network = IPv4Network | IPv6Network

#: The methods that can be asked for credentials: all but ACK and CANCEL (RFC 3261 22.1).
METHODS = (
    "REGISTER",
    "INVITE",
    "OPTIONS",
    "BYE",
    "INFO",
    "MESSAGE",
    "NOTIFY",
    "PRACK",
    "PUBLISH",
    "REFER",
    "SUBSCRIBE",
    "UPDATE",
)

_LIMIT = "failures/seconds, such as 30/60, or Off"


def parse_limit(word: str) -> Rate | None:
    """Read the value of AuthFailureLimit.

    @raise ValueError: it is none
    """
    if word.lower() == "off":
        return None
    most, _, period = word.partition("/")
    try:
        return Rate(whole(1, 1_000_000).parse((most,)), seconds(1, 86_400).parse((period,)))
    except WrongValueError:
        raise ValueError(_LIMIT) from None


def _show_limit(rate: Rate | None) -> str:
    return "Off" if rate is None else f"{rate.most}/{rate.seconds:.0f}"


AUTHENTICATION = Directive("Authentication", on_off(), False, "Ask senders of requests who they are.")
SCHEME = Directive(
    "AuthScheme",
    one_of("HTTP_Digest", "CHAP", "RADIUS_Digest"),
    "HTTP_Digest",
    "How they prove it: Digest by the subscriber database, CHAP through RADIUS, or Digest through RADIUS.",
)
AUTH_METHODS = Directive(
    "AuthMethods", each(one_of(*METHODS)), ("REGISTER", "INVITE"), "Methods of the requests that need credentials."
)
ALGORITHMS = Directive(
    "AuthAlgorithms",
    each(one_of("MD5", "SHA-256")),
    ("MD5", "SHA-256"),
    "Hash functions in the order of challenges. Many telephones read only the first one; where all know it, "
    "SHA-256 goes first.",
)
QOP = Directive(
    "AuthQop",
    each(one_of("auth", "auth-int")),
    ("auth", "auth-int"),
    "Qualities of protection that are offered; clients that know none are let in where auth is among them.",
)
CHECK_USER = Directive(
    "AuthCheckUser",
    on_off(),
    True,
    "The user of From, in REGISTER that of To, must be the one who authenticated; another is answered 403.",
)
TRUSTED_PEER = Directive("AuthTrustedPeer", joined(networks()), (), "Addresses that need no credentials: gateways.")
FAILURE_LIMIT: Directive[Rate | None] = Directive(
    "AuthFailureLimit",
    one_word(parse_limit, _LIMIT, "failures/seconds | Off", ("Off",), _show_limit),
    Rate(30, 60.0),
    "Failures of an address and user together; more are answered late, and more than twice as many not at all.",
)
NONCE_LIFETIME = Directive(
    "AuthNonceLifetimeInS", seconds(1, 86_400), 300.0, "How long a client may use a nonce before it gets another one."
)
USER_SOURCE = Directive(
    "OrigUserNameSource",
    one_of("From", "Auth"),
    "Auth",
    "What the sender of a request is looked up by: the user of From, or the user name in the credentials.",
)
EXPAND_NAME = Directive(
    "NumExpandAuthUserName", on_off(), False, "Expand a number that stands as user name in the credentials."
)

#: All but AuthRealm, which L{auth_realm} declares.
DIRECTIVES = (
    AUTHENTICATION,
    SCHEME,
    AUTH_METHODS,
    ALGORITHMS,
    QOP,
    CHECK_USER,
    TRUSTED_PEER,
    FAILURE_LIMIT,
    NONCE_LIFETIME,
    USER_SOURCE,
    EXPAND_NAME,
)


def parse_realm(word: str) -> str:
    """Read the value of AuthRealm.

    @raise ValueError: it is none
    """
    if not word or not word.isprintable():
        raise ValueError
    return word


def auth_realm(domain: Directive[tuple[str, ...]]) -> Directive[str]:
    """Declare AuthRealm, whose default is the first value of another directive."""
    return Directive(
        "AuthRealm",
        one_word(parse_realm, "text without control characters, in double quotes if it has blanks", "text"),
        Computed(lambda settings: settings[domain][0], "the first ProxyDomain"),
        "The realm of challenges, which telephones show and passwords are hashed with.",
    )


def check(settings: Settings) -> Iterable[Problem]:
    """Find what single values cannot show."""
    if len(set(settings[ALGORITHMS])) < len(settings[ALGORITHMS]):
        yield settings.error(ALGORITHMS, "each algorithm once (RFC 8760 2.3)")
    if len(set(settings[QOP])) < len(settings[QOP]):
        yield settings.error(QOP, "each of auth and auth-int once")
    if len(set(settings[AUTH_METHODS])) < len(settings[AUTH_METHODS]):
        yield settings.warning(AUTH_METHODS, "each method once")


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of whom, as one generation of the configuration says.

    @ivar methods: methods that need credentials
    @ivar trusted: networks that need none
    """

    methods: frozenset[bytes]
    trusted: tuple[Network, ...]
    check_user: bool

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """Read it from the configuration."""
        return cls(
            methods=frozenset(method.encode("ascii") for method in settings[AUTH_METHODS]),
            trusted=settings[TRUSTED_PEER],
            check_user=settings[CHECK_USER],
        )
