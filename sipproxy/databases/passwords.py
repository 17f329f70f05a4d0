"""HA1, the hash that stands for a password in Digest authentication (RFC 7616 3.4.2, RFC 8760).

HA1 covers the user name and the realm, so one that is kept is of use only for
the names and the realm that it was made for. A telephone may authenticate with
a subscriber's key or, where that is user@domain, with the user part alone: both
are hashed. The -sess variants are made from these by who checks a response.
"""

import hashlib

#: Values of SubscriberPasswords.
CLEAR, HASHED = "Clear", "HA1"

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def ha1(algorithm: str, username: str, realm: str, password: str) -> str | None:
    """Give H(username:realm:password) in lower-case hexadecimal.

    @param algorithm: C{MD5} or C{SHA-256}
    @return: None where the algorithm is another
    """
    function = _HASHES.get(algorithm)
    if function is None:
        return None
    # MD5 is what telephones speak; a system that forbids it for security must be told what for.
    return function(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).hexdigest()


def user_part(key: str) -> str | None:
    """Give what stands before the domain of a key; None where it has no domain."""
    # From the right: an escaped @ of a user part has become a plain one, a domain never has any.
    user, at, _ = key.rpartition("@")
    return user if at else None


def password_fields(key: str, password: str | None, realm: str, kept: str) -> dict[str, object]:
    """Give the fields of a subscriber that a password fills.

    @param key: the subscriber's
    @param password: the clear password, None for none: nobody can authenticate then
    @param realm: the realm of our challenges
    @param kept: C{Clear} or C{HA1}, as SubscriberPasswords says
    @return: a value for each of password, realm and the four hashes, so that nothing is left of a former password
    """
    fields: dict[str, object] = dict.fromkeys(("realm", "ha1_md5", "ha1_sha256", "ha1b_md5", "ha1b_sha256"), "")
    fields["password"] = None
    if password is None:
        return fields
    if kept == CLEAR:
        fields["password"] = password
        return fields
    fields["realm"] = realm
    for name, username in (("ha1", key), ("ha1b", user_part(key))):
        if username is not None:
            fields[f"{name}_md5"] = ha1("MD5", username, realm, password)
            fields[f"{name}_sha256"] = ha1("SHA-256", username, realm, password)
    return fields
