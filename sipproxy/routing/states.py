"""The states of a next hop, and the table of how it goes from one to another.

A next hop fails by silence, by an ICMP error or by a 503, and is then held
down: passed over while another next hop is left. Inputs come from requests, from
probes (OPTIONS) and from the clock.
"""

#: Used; nothing is known against it.
UP = "up"
#: Used; its hold-down is over and it has not answered since, or a probe was not answered.
SUSPECT = "suspect"
#: Held down.
DOWN = "down"
#: Held down, and a probe is on its way.
PROBING = "probing"

FAILED = "failed"
ANSWERED = "answered"
HOLD_DOWN_OVER = "hold-down over"
PROBE_SENT = "probe sent"
PROBE_ANSWERED = "probe answered"
PROBE_FAILED = "probe failed"

#: The states in which it is passed over.
HELD = frozenset((DOWN, PROBING))

#: (state, input) -> (actions, next state). C{hold} begins a hold-down, or begins it anew; C{release} ends it.
TRANSITIONS: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {
    (UP, FAILED): (("hold",), DOWN),
    (UP, ANSWERED): ((), UP),
    (UP, PROBE_SENT): ((), UP),
    (UP, PROBE_ANSWERED): ((), UP),
    # One lost probe is no proof: calls go on, the next one decides.
    (UP, PROBE_FAILED): ((), SUSPECT),
    (SUSPECT, FAILED): (("hold",), DOWN),
    (SUSPECT, ANSWERED): ((), UP),
    (SUSPECT, PROBE_SENT): ((), SUSPECT),
    (SUSPECT, PROBE_ANSWERED): ((), UP),
    (SUSPECT, PROBE_FAILED): (("hold",), DOWN),
    # It was tried all the same: nothing else was left, or the request was on its way before.
    (DOWN, FAILED): (("hold",), DOWN),
    (DOWN, ANSWERED): (("release",), UP),
    (DOWN, HOLD_DOWN_OVER): (("release",), SUSPECT),
    (DOWN, PROBE_SENT): ((), PROBING),
    # These probes left before it went down, and prove nothing since.
    (DOWN, PROBE_ANSWERED): ((), DOWN),
    (DOWN, PROBE_FAILED): ((), DOWN),
    (PROBING, FAILED): (("hold",), DOWN),
    (PROBING, ANSWERED): (("release",), UP),
    # What the probe finds out is worth waiting for.
    (PROBING, HOLD_DOWN_OVER): ((), PROBING),
    (PROBING, PROBE_ANSWERED): (("release",), UP),
    (PROBING, PROBE_FAILED): (("hold",), DOWN),
}
