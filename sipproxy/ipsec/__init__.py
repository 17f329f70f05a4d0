"""IP security between the server and chosen peers (RFC 4301): configured here, carried by the system.

IKE is strongSwan's, spoken to over VICI (L{sipproxy.ipsec.charon}); manual keys and the policies that discard what is
not protected go into the kernel by a small process with its own rights (L{sipproxy.ipsec.helper}). What they say of a
peer comes together in L{sipproxy.ipsec.associations}, and the ports of the server ask there
(L{sipproxy.ipsec.guard}). docs/ipsec.md tells an operator what rights each part needs.
"""

from sipproxy.ipsec.guard import PeerGuard, ProtectedNetwork
from sipproxy.ipsec.peers import configured_peers
from sipproxy.ipsec.service import IPSecService, make_ipsec
from sipproxy.ipsec.settings import IPSEC, MODULE, VICI_SOCKET

__all__ = [
    "IPSEC",
    "MODULE",
    "VICI_SOCKET",
    "IPSecService",
    "PeerGuard",
    "ProtectedNetwork",
    "configured_peers",
    "make_ipsec",
]
