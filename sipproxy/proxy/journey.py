"""What is found out about where a request goes before it leaves: validation, routes, loops, targets.

The steps are those of RFC 3261 16.3 to 16.5, in that order; the same for a
stateful proxy, a stateless one and a redirect server.
"""

from twisted.internet.defer import Deferred

from sipproxy.errors import RequestError
from sipproxy.interfaces import Address
from sipproxy.message import Request
from sipproxy.message.grammar import number
from sipproxy.proxy.generation import Generation
from sipproxy.proxy.loops import check_loop, decision_hash, path_hash
from sipproxy.proxy.routeset import preprocess
from sipproxy.proxy.targets import resolvable
from sipproxy.proxy.validate import check_proxy_require
from sipproxy.translation import Subject, Target, Targets


class Journey:
    """A request on its way through us.

    @ivar generation: the configuration that it began with
    @ivar ready: the request behind route preprocessing (16.4)
    @ivar decision: second part of the branches of its copies (RFC 5393)
    @ivar breadth: incoming Max-Breadth
    @ivar subject: what translators and routers are asked about, and their trace
    @ivar may_retarget: whether the Request-URI is ours, so that we may change it (16.5)
    """

    __slots__ = ("_visited", "breadth", "decision", "generation", "may_retarget", "ready", "subject")

    def __init__(self, generation: Generation, request: Request, source: Address, now: float, stateful: bool) -> None:
        """
        @param stateful: whether transactions will keep it
        @raise RequestError: 400, 416, 420, 440 or 482
        """
        self.generation = generation
        check_proxy_require(request)
        self.ready = preprocess(request, generation.identity)
        self.decision = decision_hash(request) if stateful else path_hash(request)
        check_loop(request, self.decision, generation.identity)
        self.breadth = _max_breadth(request, generation.policy.max_breadth)
        self.subject = Subject(self.ready.uri, request, source, now)
        self.may_retarget = False
        self._visited: set[bytes] = set()

    def targets(self) -> "Targets | Deferred[Targets]":
        """Give the target set (16.5).

        @raise RequestError: 416 or 482, or what a translator says (also in the Deferred)
        """
        subject = self.subject
        if self.ready.route is not None:
            if self.ready.uri.scheme == b"sips" or self.ready.route.uri.scheme != b"sip":
                raise RequestError(416)  # 26.2.2: no hop of ours is secure
            subject.trace.append(("translation", "mod_sip", "bypassed: Route header"))
            return (Target(self.ready.uri, origin="route"),)
        identity = self.generation.identity
        subject.uri = resolvable(subject.uri, identity)
        self.may_retarget = identity.is_ours(subject.uri)
        if not self.may_retarget:
            return (Target(subject.uri, origin="request"),)
        return self.generation.location.targets(subject, self._visited)

    def inside(self, targets: Targets) -> "Targets | Deferred[Targets]":
        """Translate targets at our own host again (a 3xx led here).

        @raise RequestError: 482 where all of them lead back
        """
        return self.generation.location.inside(self.subject, targets, self._visited, 0)


def _max_breadth(request: Request, most: int) -> int:
    """Give the incoming Max-Breadth, at most our own maximum (RFC 5393 5.3.3).

    @raise RequestError: 400, or 440 where nothing may be forwarded
    """
    value = request.header("max-breadth")
    if value is None:
        return most
    breadth = number(value, 2**31, b"Max-Breadth")
    if breadth == 0:
        raise RequestError(440)
    return min(breadth, most)
