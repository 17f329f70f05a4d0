"""A network in memory on a virtual clock, with user agents: the whole server without a socket or a second of waiting.

For the tests of this project and for those of who embeds the server. The
server is the real one; only L{sipproxy.interfaces.INetwork} and the clock are
others. docs/simulation.md shows how to use it.
"""

from sipproxy.simulation.agents import UserAgent
from sipproxy.simulation.calls import (
    Behaviour,
    IncomingCall,
    OutgoingCall,
    OutgoingRequest,
    answers,
    redirects,
    rejects,
    rings,
    says_trying,
)
from sipproxy.simulation.clock import VirtualClock
from sipproxy.simulation.dialogs import Dialog
from sipproxy.simulation.endpoint import Endpoint, Received
from sipproxy.simulation.invariants import BrokenInvariantError, Watcher
from sipproxy.simulation.names import Names
from sipproxy.simulation.network import Faults, Host, MemoryNetwork, Sent
from sipproxy.simulation.people import People
from sipproxy.simulation.simulation import Simulation

__all__ = [
    "Behaviour",
    "BrokenInvariantError",
    "Dialog",
    "Endpoint",
    "Faults",
    "Host",
    "IncomingCall",
    "MemoryNetwork",
    "Names",
    "OutgoingCall",
    "OutgoingRequest",
    "People",
    "Received",
    "Sent",
    "Simulation",
    "UserAgent",
    "VirtualClock",
    "Watcher",
    "answers",
    "redirects",
    "rejects",
    "rings",
    "says_trying",
]
