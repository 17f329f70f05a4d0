"""The converter of Cisco's sipd.conf: what becomes of each line, and what of files that are none."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy import directives
from sipproxy.app import load_settings
from sipproxy.convert import REFUSED, RENAMED, SAME, UNKNOWN, UNSUPPORTED, Conversion, convert
from sipproxy.modules import MODULES

ORIGINAL = """\
# From the days of the original: \xe9
ServerType standalone
ServerRoot /nonexistent/sip
Port 5060
StartServers 5
LogFormat "%h %t \\"%r\\" %>s" short
TransferLog logs/access_log
CustomLog "|bin/rotatelogs logs/access_log 86400" short
ErrorLog syslog:local7
<IfModule mod_sip.c>
    ProxyDomain example.com
    numericusernameinterpretation IP_164
    SIPT1InMs soon
</IfModule>
<IfModule mod_sip_original.c>
    RASModule \\
        Off
    DB_MySQL_Password hush
</IfModule>
<Directory />
    Port 5061
    <Limit>
    </Limit>
</Directory>
Include conf/*.conf
"""


def converted(text: str | bytes, environ: dict[str, str] | None = None) -> Conversion:
    """Convert a file that stands nowhere."""
    data = text.encode("latin-1") if isinstance(text, str) else text
    return convert("sipd.conf", data, Path("/nonexistent"), MODULES, environ or {}, directives.SERVER_ROOT)


def verdicts(conversion: Conversion) -> list[tuple[int, str, str]]:
    """Give lines, names and verdicts."""
    return [(finding.line, finding.name, finding.verdict) for finding in conversion.findings]


class ConvertTests(SynchronousTestCase):
    """Files of the original."""

    maxDiff = None

    def test_line_by_line(self) -> None:
        """Every directive and every tag has its verdict."""
        self.assertEqual(
            verdicts(converted(ORIGINAL)),
            [
                (2, "ServerType", UNSUPPORTED),
                (3, "ServerRoot", SAME),
                (4, "Port", RENAMED),
                (5, "StartServers", SAME if _has("StartServers") else UNSUPPORTED),
                (6, "LogFormat", SAME),
                (7, "TransferLog", RENAMED),
                (8, "CustomLog", REFUSED),
                (9, "ErrorLog", REFUSED),
                (10, "<IfModule>", SAME),
                (11, "ProxyDomain", SAME),
                (12, "numericusernameinterpretation", SAME),
                (13, "SIPT1InMs", REFUSED),
                (14, "</IfModule>", SAME),
                (15, "<IfModule>", UNSUPPORTED),
                (16, "RASModule", SAME if _has("RASModule") else UNKNOWN),
                (18, "DB_MySQL_Password", UNKNOWN),
                (19, "</IfModule>", UNSUPPORTED),
                (20, "<Directory>", UNSUPPORTED),
                (21, "Port", UNSUPPORTED),
                (22, "<Limit>", UNSUPPORTED),
                (23, "</Limit>", UNSUPPORTED),
                (24, "</Directory>", UNSUPPORTED),
                (25, "Include", SAME),
            ],
        )

    def test_result(self) -> None:
        """The result has as many lines, is read without a problem, and says the same."""
        text = converted(ORIGINAL).text
        self.assertEqual(len(text.splitlines()), len(ORIGINAL.splitlines()))
        path = Path(self.mktemp())
        path.write_text(text.replace("Include", "# Include"), "utf-8")
        settings = load_settings(path)
        self.assertEqual([place.port for place in settings[directives.LISTEN]], [5060])
        self.assertIn("original: \xe9", text)
        self.assertIn("# ServerType standalone  # not supported: the server always stands alone\n", text)
        self.assertIn("Listen 5060\n", text)

    def test_once_more(self) -> None:
        """What has been converted stays as it is."""
        once = converted(ORIGINAL)
        twice = converted(once.text.encode())
        self.assertEqual(twice.text, once.text)
        self.assertTrue(twice.is_complete)
        self.assertFalse(once.is_complete)

    def test_secrets(self) -> None:
        """A password stands neither in the result nor in what is said about it."""
        conversion = converted(ORIGINAL)
        self.assertNotIn("hush", conversion.text + "".join(map(str, conversion.findings)))
        (finding,) = [finding for finding in conversion.findings if "MySQL" in finding.name]
        self.assertIn("DB_MySQL_PasswordFile", finding.note)

    def test_between_values(self) -> None:
        """A problem between two values leaves both where they are, and is told."""
        conversion = converted("RegistryDefaultExpiresInS 10\nAuthScheme RADIUS_Digest\nAuthentication On\n")
        self.assertEqual({finding.verdict for finding in conversion.findings}, {SAME})
        (problem,) = [problem for problem in conversion.remaining if problem.severity == "error"]
        self.assertEqual(problem.position[:2], ("sipd.conf", 2))
        self.assertFalse(conversion.is_complete)

    def test_nearest_name(self) -> None:
        """An unknown name that is near one of ours is told so."""
        (finding,) = converted("ProxyDomane example.com").findings
        self.assertEqual(str(finding), "ProxyDomane: unknown: did you mean ProxyDomain?")

    def test_duplicate(self) -> None:
        """Of a directive that may stand once the second is taken out, with the reason."""
        conversion = converted("SIPServerMode Proxy\nSIPServerMode Redirect\n")
        self.assertEqual(verdicts(conversion), [(1, "SIPServerMode", SAME), (2, "SIPServerMode", REFUSED)])
        self.assertIn("a duplicate of line 1", conversion.findings[1].note)

    def test_environment(self) -> None:
        """A variable is replaced when the file is read, not by us."""
        self.assertIn("Listen ${PORT}", converted("Port ${PORT}", {"PORT": "5070"}).text)
        self.assertEqual(verdicts(converted("Port ${PORT}")), [(1, "Port", REFUSED)])

    def test_unclosed(self) -> None:
        """A container that nobody closes is taken out, and its contents stay."""
        conversion = converted("<IfModule mod_sip.c>\nProxyDomain example.com\n")
        self.assertEqual(verdicts(conversion), [(1, "<IfModule>", REFUSED), (2, "ProxyDomain", SAME)])
        self.assertEqual(verdicts(converted("</Directory>")), [(1, "</Directory>", UNSUPPORTED)])

    def test_empty(self) -> None:
        """An empty file is right."""
        self.assertTrue(converted("").is_complete)

    @given(st.lists(st.sampled_from([*ORIGINAL.splitlines(), '"', "\\", "<", "</IfModule>", "<StaticRoute>", "x\0"])))
    def test_pieces(self, pieces: list[str]) -> None:
        """Whatever order lines come in, no line is lost, and what is kept has no problem of its own."""
        text = "\n".join(pieces) + "\n"
        conversion = converted(text)
        self.assertEqual(conversion.text.count("\n"), text.count("\n"))
        kept = {finding.line for finding in conversion.findings if finding.verdict in {SAME, RENAMED}}
        self.assertFalse(kept & {problem.position.line for problem in conversion.remaining} - {1})

    @given(st.binary())
    def test_any_octets(self, data: bytes) -> None:
        """Whatever octets a file has, it is converted."""
        conversion = converted(data)
        self.assertEqual(converted(conversion.text.encode()).text, conversion.text)


def _has(name: str) -> bool:
    return any(directive.name == name for module in MODULES for directive in module.directives)
