"""One question to gatekeepers, until it is answered or nobody is left to ask.

Sequential: one gatekeeper after the other; the next one is asked when one has
not answered in time, or could not be reached, the next cluster when one has
rejected. Blast: all of them at once. A RIP sets the time of its gatekeeper
anew, and stretches the window as far as that needs.

Who was asked may answer as long as the question is open, late or from another
address (a directory gatekeeper passes the question on). An LCF ends a question;
with Best and Blast it does once nobody is waited for whose cluster is better.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from sipproxy.errors import ListenError, NameNotFoundError, ResolverTimeoutError
from sipproxy.interfaces import Address
from sipproxy.net.ras_asking import NOT_WAITED_FOR, WAITING, Answer, Asking, Means
from sipproxy.net.ras_gatekeeper import Gatekeeper
from sipproxy.net.resolver import literal_address
from sipproxy.net.sockets import address_text
from sipproxy.wire.h225.messages import LocationConfirm, LocationReject, LocationRequest, RequestInProgress, encode
from sipproxy.wire.h225.places import call_addresses

#: Seconds that a question may take, however often gatekeepers ask for patience (RIP). No caller waits longer.
LONGEST_QUESTION = 30.0
_NOT_FOUND = (NameNotFoundError, ResolverTimeoutError)
Reply = LocationConfirm | LocationReject | RequestInProgress


class Question:
    """One question.

    @ivar result: fires with the L{Answer}; cancel it to give up
    """

    def __init__(
        self,
        means: Means,
        request: LocationRequest,
        clusters: Sequence[Sequence[Gatekeeper]],
        ended: "Callable[[Question], None]",
    ) -> None:
        """
        @param request: what is asked; its sequence number and reply address are set for each LRQ
        @param clusters: who is asked, in order
        @param ended: called when it ends, before C{result} fires
        """
        self.result: Deferred[Answer] = Deferred(lambda _: self._forget())
        self._means = means
        self._request = request
        self._left = [(cluster, gatekeeper) for cluster, members in enumerate(clusters) for gatekeeper in members]
        self._ended = ended
        self._asked: list[Asking] = []
        self._best: tuple[Asking, LocationConfirm] | None = None
        self._begin = means.clock.seconds()
        self._window_end = self._begin + means.manner.window
        self._window: IDelayedCall | None = None

    def start(self) -> None:
        """Ask the first gatekeeper, or all of them."""
        self._window = self._means.clock.callLater(self._means.manner.window, self._window_over)
        try:
            if self._means.manner.method == "Blast":
                while self._left:
                    self._ask(*self._left.pop(0))
            self._go_on()
        except Exception as error:  # noqa: BLE001 - whatever it is, who asked is told: else the question would never end
            self.fail(error)

    def _go_on(self) -> None:
        """Ask the next gatekeeper unless one is waited for; end where nothing can come that would change the answer."""
        while self._is_decided():
            if self._best is not None or not self._left or self._means.clock.seconds() >= self._window_end:
                self._end()
                return
            self._ask(*self._left.pop(0))

    def _is_decided(self) -> bool:
        """Tell whether nobody is waited for who could give an answer, or a better one than there is."""
        manner = self._means.manner
        if self._best is None:
            return not any(asking.is_waiting for asking in self._asked)
        if manner.method == "Sequential" or manner.accept == "First":
            return True
        best = self._best[0].gatekeeper.cluster
        return not any(asking.is_waiting and asking.gatekeeper.cluster < best for asking in self._asked)

    # Asking.

    def _ask(self, cluster: int, gatekeeper: Gatekeeper) -> None:
        asking = Asking(self, gatekeeper, cluster, self._means.clock.seconds(), 1 + self._means.manner.retransmissions)
        self._asked.append(asking)
        gatekeeper.counters.asked += 1
        gatekeeper.open_questions += 1
        literal = literal_address(gatekeeper.host)
        try:
            found = [literal] if literal is not None else self._means.resolver.addresses(gatekeeper.host)
        except _NOT_FOUND as error:
            self._not_found(asking, error)
            return
        if not isinstance(found, Deferred):
            self._found(found, asking)
            return
        self._set_timer(asking, self._wait_for(asking))
        found.addCallbacks(self._looked_up, self._not_looked_up, callbackArgs=(asking,), errbackArgs=(asking,))
        found.addErrback(self._failed_of_ours)

    def _looked_up(self, addresses: list[str], asking: Asking) -> None:
        if asking.is_waiting and not self.result.called:
            self._found(addresses, asking)
            self._go_on()

    def _not_looked_up(self, failure: Failure, asking: Asking) -> None:
        if not isinstance(failure.value, _NOT_FOUND):
            failure.raiseException()
        if asking.is_waiting and not self.result.called:
            self._not_found(asking, failure.value)
            self._go_on()

    def _not_found(self, asking: Asking, error: Exception) -> None:
        asking.gatekeeper.counters.not_found += 1
        self._failed(asking, str(error))

    def _found(self, addresses: list[str], asking: Asking) -> None:
        """Send the LRQ to the first of its gatekeeper's addresses that can be reached from here."""
        means = self._means
        host = means.ports.choose(addresses)
        try:
            if host is None:
                raise ListenError(f"RASBindAddress does not lead to {', '.join(addresses)}")
            asking.port, ours = means.ports.take(host)
        except ListenError as error:
            self._failed(asking, str(error))
            return
        asking.destination = (host, asking.gatekeeper.port)
        asking.seq = means.open.enter(asking)
        reply_address = (ours.partition("%")[0], asking.port.address[1])
        asking.datagram = encode(replace(self._request, seq=asking.seq, reply_address=reply_address))
        self._send(asking)

    def _send(self, asking: Asking) -> None:
        asking.tries -= 1
        self._set_timer(asking, self._wait_for(asking))
        if asking.port is not None and asking.destination is not None:
            asking.port.write(asking.datagram, asking.destination)

    def _wait_for(self, asking: Asking) -> float:
        """Give the seconds that an LRQ just sent is waited for: with Blast the last one until the window ends."""
        manner = self._means.manner
        if manner.method == "Sequential" or asking.tries > 0:
            return manner.timeout
        return max(0.0, self._begin + manner.window - self._means.clock.seconds())

    def _set_timer(self, asking: Asking, delay: float) -> None:
        _cancel(asking.timer)
        asking.timer = self._means.clock.callLater(delay, self._timed_out, asking)

    def _timed_out(self, asking: Asking) -> None:
        asking.timer = None
        if asking.tries > 0 and asking.seq:
            asking.gatekeeper.counters.retransmitted += 1
            self._send(asking)
            return
        asking.gatekeeper.counters.timed_out += 1
        self._failed(asking, "no answer in time")
        self._go_on()

    def _failed(self, asking: Asking, outcome: str) -> None:
        self._settle(asking, outcome)
        asking.gatekeeper.failed(outcome, asking.begun)

    def _settle(self, asking: Asking, outcome: str) -> None:
        if asking.is_waiting:
            asking.gatekeeper.open_questions -= 1
        asking.outcome = outcome
        asking.ended = self._means.clock.seconds()
        _cancel(asking.timer)
        asking.timer = None

    # What comes back.

    def received(self, asking: Asking, reply: Reply, source: Address) -> None:
        """Take an answer."""
        counters = asking.gatekeeper.counters
        if asking.is_answered:
            counters.repeated += 1
            return
        if not asking.is_waiting:
            counters.late += 1
        if isinstance(reply, RequestInProgress):
            self._wait_longer(asking, reply)
            return
        asking.is_answered = True
        asking.gatekeeper.answered(self._means.clock.seconds() - asking.begun)
        where = "" if source == asking.destination else f" from {address_text(source)}"
        if isinstance(reply, LocationReject):
            counters.rejected += 1
            self._settle(asking, f"LRJ {reply.reason}{where}")
            self._left = [(cluster, other) for cluster, other in self._left if cluster != asking.cluster]
        elif call_addresses(reply):
            counters.confirmed += 1
            self._settle(asking, f"LCF{where}")
            if self._best is None or asking.gatekeeper.cluster < self._best[0].gatekeeper.cluster:
                self._best = (asking, reply)
        else:
            counters.unusable += 1
            self._settle(asking, f"LCF{where}, which names no address for a call")
        self._go_on()

    def _wait_longer(self, asking: Asking, reply: RequestInProgress) -> None:
        asking.gatekeeper.counters.in_progress += 1
        asking.gatekeeper.heard()
        now, manner = self._means.clock.seconds(), self._means.manner
        patience = min(
            max(reply.delay_ms / 1000, manner.timeout), self._begin + max(LONGEST_QUESTION, manner.window) - now
        )
        if patience <= 0:
            return
        if not asking.is_waiting:
            asking.outcome = WAITING
            asking.gatekeeper.open_questions += 1
        asking.tries = 0  # it has the question
        self._set_timer(asking, patience)
        if now + patience > self._window_end and self._window is not None:
            self._window_end = now + patience
            self._window.reset(patience)

    def refused(self, asking: Asking, reason: str) -> None:
        """An LRQ did not get there."""
        asking.gatekeeper.counters.refused += 1
        if asking.is_waiting:
            self._failed(asking, reason)
            self._go_on()

    # The end.

    def _window_over(self) -> None:
        self._window = None
        for asking in self._asked:
            if asking.is_waiting:
                asking.gatekeeper.counters.timed_out += 1
                self._failed(asking, "no answer in the window")
        self._end()

    def _end(self) -> None:
        now = self._means.clock.seconds()
        exchanges = tuple(asking.exchange(self._begin, now) for asking in self._asked)
        self._forget()
        found, confirm = self._best or (None, None)
        name = found.gatekeeper.name if found is not None else ""
        self.result.callback(Answer(confirm, name, now - self._begin, exchanges))

    def fail(self, error: Exception | Failure) -> None:
        """End with an error."""
        self._forget()
        self.result.errback(error)

    def _failed_of_ours(self, failure: Failure) -> Failure | None:
        """End with a bug of ours; where it has ended already the bug is passed on."""
        if self.result.called:
            return failure
        self.fail(failure)
        return None

    def _forget(self) -> None:
        """Hold nothing any more."""
        _cancel(self._window)
        self._window = None
        self._left.clear()
        for asking in self._asked:
            if asking.is_waiting:
                self._settle(asking, NOT_WAITED_FOR)
            if asking.seq:
                self._means.open.leave(asking)
        self._ended(self)


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()
