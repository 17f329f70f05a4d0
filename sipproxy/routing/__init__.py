"""From a contact to a list of next hops (RFC 3261 16.6 item 7, RFC 3263)."""

from sipproxy.routing.chain import IRouter, NextHop, NextHops, RoutingChain

__all__ = ["IRouter", "NextHop", "NextHops", "RoutingChain"]
