"""The table of features, and the page that is made of it: C{python docs/features.py} writes docs/conformance.md.

Each feature names the tests that prove it, by their dotted names below C{test}: a module, a class or a method.
test/test_docs_features.py sees that they exist and that the page is what this file makes.
"""

from pathlib import Path
from typing import NamedTuple

#: Works, and tests with programs of others or on whole servers say so.
DONE = "done"
#: Works, but for what the note says.
PARTLY = "partly"
#: Not there.
ABSENT = "absent"


class Feature(NamedTuple):
    """A row.

    @ivar tests: dotted names below C{test}, with blanks between; empty for what is not there
    """

    name: str
    status: str
    tests: str
    note: str = ""


GROUPS: dict[str, tuple[Feature, ...]] = {
    "Server": (
        Feature("Stateful proxy (RFC 3261 16)", DONE, "scenario.test_flows scenario.test_checklist_requests"),
        Feature("Stateless proxy (RFC 3261 16.11)", DONE, "scenario.test_stateless.StatelessTests"),
        Feature(
            "Redirect server", DONE, "scenario.test_stateless.RedirectTests interop.test_load.LoadTests.test_redirect"
        ),
        Feature("Registrar (RFC 3261 10), Path (RFC 3327)", DONE, "scenario.test_checklist_registrar registrar"),
        Feature("Forking, parallel and sequential", DONE, "scenario.test_forking"),
        Feature("Recursion on 3xx", DONE, "scenario.test_recursion.RecursionTests"),
        Feature("Caller preference `action`", DONE, "scenario.test_recursion.PreferenceTests"),
        Feature("Record-Route, loose and strict routing", DONE, "scenario.test_checklist_requests.ForwardingTests"),
        Feature("Loops and spirals, Max-Breadth (RFC 5393)", DONE, "scenario.test_loops"),
        Feature("Invite transactions of RFC 6026", DONE, "scenario.test_checklist_invite scenario.test_cancel"),
        Feature("Non-INVITE of RFC 4320", DONE, "scenario.test_checklist_invite.ContextTests.test_row_34_no_408"),
        Feature("RFC 2543 peers", DONE, "scenario.test_checklist_requests.MatchingTests.test_row_17_rfc_2543"),
        Feature("rport (RFC 3581)", DONE, "scenario.test_checklist_messages.ViaTests.test_row_12_rport"),
        Feature("Quirks of telephones and gateways", DONE, "scenario.test_endpoints"),
        Feature("Calls of baresip, Linphone, PJSUA2", DONE, "interop.test_calls"),
        Feature("Kamailio before and behind", DONE, "interop.test_kamailio"),
        Feature("IPv6, and calls between families", DONE, "interop.test_listen"),
        Feature("TCP, TLS, WebSocket", ABSENT, "", "requests larger than 1300 octets go by UDP too"),
        Feature("Outbound, GRUU (RFC 5626, 5627)", ABSENT, "", "a replaced instance-id replaces its contact"),
        Feature("Identity headers (RFC 3325)", ABSENT, "", "they pass untouched"),
    ),
    "Translation": (
        Feature("Number expansion", DONE, "translation.test_expansion scenario.test_numbers"),
        Feature("Call forwarding, unconditional", DONE, "scenario.test_call_forward.UnconditionalTests"),
        Feature(
            "Call forwarding, busy", DONE, "scenario.test_call_forward.BusyTests interop.test_forwarding.BusyTests"
        ),
        Feature("Call forwarding, no answer", DONE, "scenario.test_call_forward.TimeTests"),
        Feature("Call forwarding, unavailable", DONE, "interop.test_forwarding.UnavailableTests"),
        Feature("Registry, durable and static", DONE, "interop.test_registry_kill databases.test_static"),
        Feature("ENUM (RFC 6116)", DONE, "interop.test_enum translation.test_enum", "against BIND and Knot DNS"),
        Feature(
            "Number services by GKTMP",
            PARTLY,
            "interop.test_number_services net.test_gktmp",
            "against our own NAM: no other can be had; tags are inferred",
        ),
    ),
    "Routing": (
        Feature("Static routes by number and domain", DONE, "routing.test_static interop.test_gateways.RoutesTests"),
        Feature("SRV, NAPTR (RFC 3263, 2782)", DONE, "interop.test_dns_routing routing.test_locate"),
        Feature("Health of gateways, failover", DONE, "interop.test_gateways.HealthTests routing.test_gateways"),
        Feature(
            "H.323 gatekeepers by RAS",
            PARTLY,
            "scenario.test_ras_table interop.test_ras interop.test_tshark_h225",
            "against our own gatekeeper; messages are judged by tshark; members of Cisco's are inferred",
        ),
        Feature("Pavo extension", PARTLY, "routing.test_ras.PavoTests", "its members are inferred"),
    ),
    "Who may": (
        Feature("Digest, MD5 and SHA-256 (RFC 7616, 8760)", DONE, "access interop.test_authentication.TelephoneTests"),
        Feature("Subscribers in SQLite", DONE, "interop.test_authentication.SqliteTests"),
        Feature("Subscribers in MySQL, MariaDB", DONE, "interop.test_mysql interop.test_authentication.MysqlTests"),
        Feature("Subscribers in LDAP (H.350.4)", DONE, "interop.test_ldap", "read only"),
        Feature("CHAP through RADIUS", DONE, "interop.test_authentication.RadiusTests.test_chap", "asks for Basic"),
        Feature("Digest through RADIUS (RFC 5090)", DONE, "interop.test_authentication.RadiusTests.test_digest"),
        Feature("AllowFrom, DenyFrom, trusted peers", DONE, "scenario.test_limits.AccessTests"),
        Feature("Limits for who guesses, fail2ban", DONE, "access.test_failures access.test_fail2ban"),
        Feature("IPsec by IKE", DONE, "interop.test_ipsec.TunnelTests", "tunnel mode"),
        Feature(
            "IPsec with manual keys",
            PARTLY,
            "interop.test_ipsec.ManualTests ipsec.test_manual",
            "the tests' kernel may lack ESP: then only up to what it refuses",
        ),
    ),
    "Accounting": (
        Feature("Start, Interim-Update, Stop (RFC 2866)", DONE, "interop.test_accounting scenario.test_accounting"),
        Feature("Spool that outlives a crash", DONE, "accounting.test_spool"),
        Feature("Records in a file", DONE, "accounting.test_file"),
    ),
    "Operation": (
        Feature("Configuration with all errors at once", DONE, "interop.test_check config"),
        Feature("Reload without a lost call", DONE, "interop.test_reload scenario.test_reload"),
        Feature("explain", DONE, "scenario.test_explain interop.test_gateways.ExplainTests"),
        Feature("replay", DONE, "cli.test_replay"),
        Feature("Logs in Apache's formats, rotation", DONE, "interop.test_logs logs"),
        Feature("Control socket, OpenAPI", DONE, "interop.test_control_schema interop.test_control"),
        Feature("D-Bus", DONE, "interop.test_dbus control.test_dbus"),
        Feature("Starts and serves with backends away; status", DONE, "interop.test_backends control.test_status"),
        Feature("Metrics", DONE, "interop.test_metrics", "checked by promtool"),
        Feature("HEP3", DONE, "interop.test_hep", "against Kamailio"),
        Feature("Manhole", DONE, "interop.test_manhole", "with OpenSSH"),
        Feature("Farm over etcd", DONE, "interop.test_farm interop.test_farm_process farm.test_scenario"),
        Feature("Overload, bounds", DONE, "scenario.test_overload scenario.test_limits"),
        Feature("User and Group", DONE, "interop.test_privileges"),
        Feature("Conversion of Cisco's sipd.conf", PARTLY, "test_convert", "its directives are known in part only"),
        Feature(
            "Worker processes",
            PARTLY,
            "interop.test_workers workers",
            "no accounting, farm, IPsec, D-Bus, metrics",
        ),
        Feature("Deterministic simulation", DONE, "simulation scenario.test_chance"),
    ),
}

_HEAD = """\
# Conformance

What there is, and which test says so. Tests are named as they are run: `python -m twisted.trial test.NAME`.
`python docs/features.py` makes this page.
"""


def page() -> str:
    """Give the page."""
    parts = [_HEAD]
    for title, features in GROUPS.items():
        parts.append(f"\n## {title}\n\n| feature | status | proof | note |\n|---|---|---|---|\n")
        parts += [_row(feature) for feature in features]
    return "".join(parts)


def _row(feature: Feature) -> str:
    tests = ", ".join(f"`{name}`" for name in feature.tests.split())
    return f"| {feature.name} | {feature.status} | {tests} | {feature.note} |\n"


if __name__ == "__main__":
    Path(__file__).with_name("conformance.md").write_text(page())
