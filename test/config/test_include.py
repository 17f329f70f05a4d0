"""Included files."""

from sipproxy.config import load_lines
from test.config.sample import ERROR_LOG, MODULES, NEXT_HOP, ROUTE, SERVER_ALIAS, SERVER_ROOT, ConfigTestCase


class IncludeTests(ConfigTestCase):
    """Included files."""

    def test_file_and_pattern(self) -> None:
        """A pattern's files are read in the order of their names, directories are passed over."""
        self.write("ServerAlias b", "conf.d/2.conf")
        self.write("ServerAlias a\nServerAlias aa", "conf.d/1.conf")
        self.write("", "conf.d/3.conf/x")
        self.write("ServerAlias c", "other")
        settings = self.read("include conf.d/*.conf\nInclude other\nServerAlias d")
        self.assertEqual(settings[SERVER_ALIAS], ("a", "aa", "b", "c", "d"))
        self.assertEqual(settings.position(SERVER_ALIAS), (f"{self.directory}/conf.d/1.conf", 1, 1))

    def test_wildcards_of_the_directory(self) -> None:
        """Wildcards count in what is written, not in the directory where that starts."""
        self.write("ServerAlias a", "[x]/1.inc")
        self.assertEqual(self.read("ServerRoot [x]\nInclude *.inc")[SERVER_ALIAS], ("a",))

    def test_nothing(self) -> None:
        """A literal name must be there, a pattern may match nothing."""
        self.read("Include *.conf.none")
        self.assertEqual(
            self.problems("Include none\nInclude\nInclude a b\nInclude ."),
            [
                "sipd.conf:1:9: expected a readable file, got none: No such file or directory",
                "sipd.conf:2:8: expected a path or a pattern of paths, got end of line",
                "sipd.conf:3:11: expected end of line, got b",
                f"sipd.conf:4:9: expected a readable file, got {self.directory}: Is a directory",
            ],
        )

    def test_read_again(self) -> None:
        """What was read can be read once more when the files are other ones, or gone."""
        self.write("ServerAlias b", "sub/other")
        first = self.read("ServerRoot sub\nServerAlias a\nInclude other\nErrorLog ${NAME}", {"NAME": "x"})
        (self.directory / "sub" / "other").unlink()
        again = load_lines(first.lines, first.directory, MODULES, {"NAME": "x"}, SERVER_ROOT)
        self.assertEqual(again[SERVER_ALIAS], ("a", "b"))
        self.assertEqual(again[ERROR_LOG], self.directory / "sub" / "x")
        self.assertEqual(again[SERVER_ROOT], first[SERVER_ROOT])

    def test_read_nothing_again(self) -> None:
        """No lines give the defaults."""
        self.assertEqual(load_lines((), self.directory, MODULES, {})[SERVER_ALIAS], ())

    def test_in_block_and_condition(self) -> None:
        """A file that is included in a block has its directives, and its conditions."""
        self.write("<IfModule mod_sip.c>\nStatic_Route_NextHop b\n</IfModule>", "hop")
        settings = self.read("<IfModule mod_sip.c>\n<StaticRoute Domain a>\nInclude hop\n</StaticRoute>\n</IfModule>")
        self.assertEqual(settings.blocks(ROUTE)[0].settings[NEXT_HOP], "b")

    def test_containers_end_with_their_file(self) -> None:
        """A file can neither close its includer's containers, nor leave its own open."""
        self.write("</IfModule>\n<IfModule mod_sip.c>", "part")
        self.assertEqual(
            self.problems("<IfModule mod_sip.c>\nInclude part\n</IfModule>"),
            [
                "part:1:1: expected no closing tag, as no container is open, got </IfModule>",
                "part:2:1: expected </IfModule> for <IfModule>, got end of file",
            ],
        )

    def test_problems_of_all_files(self) -> None:
        """Problems are sorted by file and line; a duplicate names the other file."""
        self.write("SIPT1InMs 100\nXyzzy", "a.inc")
        self.write("Xyzzy", "z.inc")
        self.assertEqual(
            self.problems("SIPT1InMs 100\nInclude z.inc\nInclude a.inc\nXyzzy"),
            [
                "a.inc:1:1: expected SIPT1InMs only once, got a duplicate of sipd.conf:1",
                "a.inc:2:1: expected a directive or container, got Xyzzy",
                "sipd.conf:4:1: expected a directive or container, got Xyzzy",
                "z.inc:1:1: expected a directive or container, got Xyzzy",
            ],
        )

    def test_loop(self) -> None:
        """A file that includes itself, by whatever name, is an error where it does so."""
        self.write("Include sipd.conf", "b")
        (self.directory / "link").symlink_to("b")
        problems = self.problems("Include ./link")
        self.assertEqual(len(problems), 1)
        self.assertRegex(problems[0], r"^link:1:9: expected a file that does not include itself, got ")

    def test_depth(self) -> None:
        """A chain of files has an end."""
        for number in range(30):
            self.write(f"Include {number + 1}", str(number))
        problems = self.problems("Include 0")
        self.assertEqual(len(problems), 1)
        self.assertRegex(problems[0], r"^18:1:9: expected at most 20 files in a chain, got ")

    def test_long_path(self) -> None:
        """A path that no system takes is an error, and so is a pattern of too many directories."""
        shown = f"{self.directory}/{'a' * 200}"[:197].removeprefix(f"{self.directory}/") + "..."
        self.assertEqual(
            self.problems(f"Include {'a' * 5000}\nInclude {'*/' * 3000}x"),
            [
                f"sipd.conf:1:9: expected a readable file, got {shown}: File name too long",
                f"sipd.conf:2:9: expected at most 100 directories in a path, got {'*/' * 28}*...",
            ],
        )

    def test_root(self) -> None:
        """A relative Include starts at ServerRoot once that is given, before at the configuration's directory."""
        self.write("ServerAlias here", "part")
        self.write("ServerAlias there\nInclude part2", "var/part")
        self.write("ServerAlias there2", "var/part2")
        settings = self.read("Include part\nServerRoot var\nInclude part")
        self.assertEqual(settings[SERVER_ALIAS], ("here", "there", "there2"))
        self.assertEqual(settings[ERROR_LOG], self.directory / "var/logs/error_log")

    def test_everything_at_once(self) -> None:
        """One reading finds mistakes of all sorts, in order."""
        self.write(b"\xff\nListen x", "inc")
        problems = self.problems(
            'Listen 5060/tcp\nXyzzy\nInclude inc\nInclude gone\nSIPT1InMs ${NO}\nLogFormat "x\n'
            "NextHopHoldDownInS 1\nNextHopHoldDownInS 2\n</StaticRoute>\n<Foo>\n</Foo>\n<StaticRoute Domain a>\nMODE \\"
        )
        places = [problem.split(" ")[0] for problem in problems]
        self.assertEqual(
            places,
            [
                "inc:1:1:", "inc:1:1:", "inc:2:8:", "sipd.conf:1:8:", "sipd.conf:2:1:", "sipd.conf:4:9:",
                "sipd.conf:5:11:", "sipd.conf:6:11:", "sipd.conf:8:1:", "sipd.conf:9:1:", "sipd.conf:10:1:",
                "sipd.conf:12:1:", "sipd.conf:12:1:", "sipd.conf:13:1:", "sipd.conf:13:6:",
            ],
        )  # fmt: skip
