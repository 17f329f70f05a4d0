"""The four state machines as tables: (state, input) -> (actions, next state).

Each row names the paragraph it comes from. Actions are names of methods of
the transaction, called in order; no row for a pair is a fault of ours, so
what may come late and means nothing is listed with no action.
"""

CALLING = "calling"
TRYING = "trying"
PROCEEDING = "proceeding"
COMPLETED = "completed"
ACCEPTED = "accepted"
CONFIRMED = "confirmed"
TERMINATED = "terminated"

PROVISIONAL = "1xx"
SUCCESS = "2xx"
FAILURE = "300-699"
REQUEST = "request"
ACK = "ack"
TRANSPORT_ERROR = "transport error"

Table = dict[tuple[str, str], tuple[tuple[str, ...], str]]

#: RFC 3261 17.1.1.2 with RFC 6026 8.4, figure 5.
INVITE_CLIENT: Table = {
    (CALLING, "timer a"): (("resend_doubled",), CALLING),
    (CALLING, "timer b"): (("tell_timeout",), TERMINATED),
    (CALLING, TRANSPORT_ERROR): (("tell_transport",), TERMINATED),
    (CALLING, PROVISIONAL): (("stop_timers", "pass_up"), PROCEEDING),
    (CALLING, SUCCESS): (("stop_timers", "start_timer_m", "pass_up"), ACCEPTED),
    (CALLING, FAILURE): (("stop_timers", "send_ack", "start_timer_d", "pass_up"), COMPLETED),
    (PROCEEDING, PROVISIONAL): (("pass_up",), PROCEEDING),
    (PROCEEDING, SUCCESS): (("start_timer_m", "pass_up"), ACCEPTED),
    (PROCEEDING, FAILURE): (("send_ack", "start_timer_d", "pass_up"), COMPLETED),
    # 9.1: 64*T1 after a CANCEL; otherwise nothing limits this state but timer C of the proxy.
    (PROCEEDING, "timer b"): (("tell_timeout",), TERMINATED),
    # An ICMP error for a retransmission that the provisional response overtook.
    (PROCEEDING, TRANSPORT_ERROR): ((), PROCEEDING),
    # 17.1.1.2: a retransmitted final response is acknowledged again and not passed up.
    (COMPLETED, FAILURE): (("send_ack",), COMPLETED),
    (COMPLETED, TRANSPORT_ERROR): ((), TERMINATED),
    (COMPLETED, "timer d"): ((), TERMINATED),
    (COMPLETED, PROVISIONAL): ((), COMPLETED),
    # RFC 2543 elements may send 2xx behind a 6xx; it is not for a transaction that is over (RFC 6026 7.2).
    (COMPLETED, SUCCESS): ((), COMPLETED),
    # RFC 6026 8.4: every 2xx goes up, the TU sends the ACK.
    (ACCEPTED, SUCCESS): (("pass_up",), ACCEPTED),
    (ACCEPTED, "timer m"): ((), TERMINATED),
    (ACCEPTED, PROVISIONAL): ((), ACCEPTED),
    (ACCEPTED, FAILURE): ((), ACCEPTED),
    (ACCEPTED, TRANSPORT_ERROR): ((), ACCEPTED),
}

#: RFC 3261 17.1.2.2, figure 6.
NON_INVITE_CLIENT: Table = {
    (TRYING, "timer e"): (("resend_capped",), TRYING),
    (TRYING, "timer f"): (("tell_timeout",), TERMINATED),
    (TRYING, TRANSPORT_ERROR): (("tell_transport",), TERMINATED),
    (TRYING, PROVISIONAL): (("pass_up",), PROCEEDING),
    (TRYING, SUCCESS): (("stop_timers", "start_timer_k", "pass_up"), COMPLETED),
    (TRYING, FAILURE): (("stop_timers", "start_timer_k", "pass_up"), COMPLETED),
    (PROCEEDING, "timer e"): (("resend_t2",), PROCEEDING),
    (PROCEEDING, "timer f"): (("tell_timeout",), TERMINATED),
    (PROCEEDING, TRANSPORT_ERROR): (("tell_transport",), TERMINATED),
    (PROCEEDING, PROVISIONAL): (("pass_up",), PROCEEDING),
    (PROCEEDING, SUCCESS): (("stop_timers", "start_timer_k", "pass_up"), COMPLETED),
    (PROCEEDING, FAILURE): (("stop_timers", "start_timer_k", "pass_up"), COMPLETED),
    # Completed buffers retransmissions.
    (COMPLETED, PROVISIONAL): ((), COMPLETED),
    (COMPLETED, SUCCESS): ((), COMPLETED),
    (COMPLETED, FAILURE): ((), COMPLETED),
    (COMPLETED, TRANSPORT_ERROR): ((), COMPLETED),
    (COMPLETED, "timer k"): ((), TERMINATED),
}

#: RFC 3261 17.2.1 with RFC 6026 8.6, figure 7. Inputs 1xx, 2xx, 300-699 come from the TU.
INVITE_SERVER: Table = {
    (PROCEEDING, REQUEST): (("resend",), PROCEEDING),
    (PROCEEDING, PROVISIONAL): (("send",), PROCEEDING),
    (PROCEEDING, SUCCESS): (("send", "start_timer_l"), ACCEPTED),
    (PROCEEDING, FAILURE): (("send", "start_timers_g_h"), COMPLETED),
    # An ACK that overtook our knowledge, or of a peer that sends one too many.
    (PROCEEDING, ACK): ((), PROCEEDING),
    (COMPLETED, REQUEST): (("resend",), COMPLETED),
    (COMPLETED, "timer g"): (("resend_final",), COMPLETED),
    (COMPLETED, ACK): (("stop_timers", "start_timer_i"), CONFIRMED),
    (COMPLETED, "timer h"): (("tell_unacknowledged",), TERMINATED),
    # 17.2.1: what the TU passes in Completed is discarded.
    (COMPLETED, PROVISIONAL): ((), COMPLETED),
    (COMPLETED, SUCCESS): ((), COMPLETED),
    (COMPLETED, FAILURE): ((), COMPLETED),
    (CONFIRMED, REQUEST): ((), CONFIRMED),
    (CONFIRMED, ACK): ((), CONFIRMED),
    (CONFIRMED, "timer i"): ((), TERMINATED),
    (CONFIRMED, PROVISIONAL): ((), CONFIRMED),
    (CONFIRMED, SUCCESS): ((), CONFIRMED),
    (CONFIRMED, FAILURE): ((), CONFIRMED),
    # RFC 6026 7.1: retransmissions are absorbed, each 2xx of the TU is sent.
    (ACCEPTED, REQUEST): ((), ACCEPTED),
    (ACCEPTED, SUCCESS): (("send",), ACCEPTED),
    (ACCEPTED, PROVISIONAL): ((), ACCEPTED),
    (ACCEPTED, FAILURE): ((), ACCEPTED),
    (ACCEPTED, "timer l"): ((), TERMINATED),
}

#: RFC 3261 17.2.2, figure 8.
NON_INVITE_SERVER: Table = {
    (TRYING, REQUEST): ((), TRYING),
    (TRYING, PROVISIONAL): (("send",), PROCEEDING),
    (TRYING, SUCCESS): (("send", "start_timer_j"), COMPLETED),
    (TRYING, FAILURE): (("send", "start_timer_j"), COMPLETED),
    (PROCEEDING, REQUEST): (("resend",), PROCEEDING),
    (PROCEEDING, PROVISIONAL): (("send",), PROCEEDING),
    (PROCEEDING, SUCCESS): (("send", "start_timer_j"), COMPLETED),
    (PROCEEDING, FAILURE): (("send", "start_timer_j"), COMPLETED),
    (COMPLETED, REQUEST): (("resend",), COMPLETED),
    (COMPLETED, PROVISIONAL): ((), COMPLETED),
    (COMPLETED, SUCCESS): ((), COMPLETED),
    (COMPLETED, FAILURE): ((), COMPLETED),
    (COMPLETED, "timer j"): ((), TERMINATED),
}


def response_input(status: int) -> str:
    """Give the input that a status is to a machine."""
    if status < 200:
        return PROVISIONAL
    return SUCCESS if status < 300 else FAILURE
