"""Who may send requests at all (AllowFrom, DenyFrom)."""

from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

MAX_REMEMBERED = 10_000


class Sources:
    """Addresses that requests may come from; DenyFrom wins.

    @ivar silently: whether refusal is silence, not 403
    @ivar is_open: whether it is all of them
    """

    def __init__(self, allowed: tuple[Network, ...], denied: tuple[Network, ...], silently: bool) -> None:
        self.silently = silently
        self.is_open = not denied and any(network.prefixlen == 0 for network in allowed)
        self._allowed = allowed
        self._denied = denied
        self._known: dict[str, bool] = {}

    def allow(self, host: str) -> bool:
        """Tell whether an address may send requests."""
        if self.is_open:
            return True
        verdict = self._known.get(host)
        if verdict is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            verdict = self._known[host] = self._judge(host)
        return verdict

    def _judge(self, host: str) -> bool:
        address = ip_address(host.partition("%")[0])
        return any(address in network for network in self._allowed) and not any(
            address in network for network in self._denied
        )
