"""The proxy of RFC 3261 16: stateful, stateless, redirect; who we are, and what a request is."""
