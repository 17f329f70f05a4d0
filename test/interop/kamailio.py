"""Kamailio as another proxy in the path: it record-routes, and sends what is for itself to the server next to it.

It runs one worker: several pass on a 180 and the 200 behind it in any order.
"""

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import LOOPBACK, Process, free_port, make_folder, program, wait_until
from test.interop.telephone import Address, Telephone, host_port

_CONFIGURATION = """#!KAMAILIO
debug=1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:{here}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
request_route {{
    if (!mf_process_maxfwd_header("70")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("OPTIONS") && $rU == $null) {{ sl_send_reply("200", "OK"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (!loose_route() && !(is_method("ACK") && t_check_trans())) {{ sl_send_reply("404", "Not Here"); exit; }}
        t_relay();
        exit;
    }}
    t_check_trans();
    loose_route();
    record_route();
    if (uri == myself) {{
        $ru = "sip:" + $rU + "@example.test";
        $du = "sip:{next_hop}";
    }}
    t_relay();
}}
"""


class Kamailio:
    """One Kamailio.

    @ivar address: where it listens
    """

    def __init__(self, test: SynchronousTestCase, next_hop: Address) -> None:
        """Start it and wait until it answers.

        @param next_hop: where it sends what is addressed to itself, with the domain example.test
        """
        path = program("kamailio", "kamailio")
        folder = make_folder(test, "kamailio")
        self.address: Address = (LOOPBACK, free_port())
        configuration = folder / "kamailio.cfg"
        configuration.write_text(_CONFIGURATION.format(here=host_port(self.address), next_hop=host_port(next_hop)))
        options = ["-DD", "-E", "-m", "64", "-M", "8", "-w", str(folder), "-Y", str(folder), "-P", str(folder / "pid")]
        self._process = Process(test, [path, "-f", configuration, *options], folder)
        telephone = Telephone(test, self.address, "probe")
        wait_until(lambda: self._answers(telephone), "Kamailio answers OPTIONS")

    def _answers(self, telephone: Telephone) -> bool:
        self._process.see_alive()
        try:
            return telephone.ask("OPTIONS", f"sip:{host_port(self.address)}", timeout=0.1).status == 200
        except (TimeoutError, ConnectionRefusedError):
            return False
