"""Blocks, conditions, and tags that do not fit."""

from sipproxy.config import Listen
from test.config.sample import (
    CLUSTER,
    GATEKEEPER,
    LISTEN,
    NEXT_HOP,
    NEXT_HOP_PORT,
    ROUTE,
    SIP_T1,
    SIP_T2,
    ConfigTestCase,
)


class BlockTests(ConfigTestCase):
    """Blocks with directives of their own."""

    def test_blocks(self) -> None:
        """Each block has its arguments, its settings and its position."""
        settings = self.read(
            "<StaticRoute E164 1408555....>   # one\n Static_Route_NextHop gw.example\n</StaticRoute>\n"
            "<staticroute Domain *.example>\n Static_Route_NextHop b\n Static_Route_NextHopPort 5070\n</STATICROUTE>\n"
            "<RASGateKeeperCluster 2>\n RASGatekeeper a 1719\n RASGatekeeper b 1719\n</RASGateKeeperCluster>\n"
        )
        first, second = settings.blocks(ROUTE)
        self.assertEqual([first.arguments, second.arguments], [("E164", "1408555...."), ("Domain", "*.example")])
        self.assertEqual([first.settings[NEXT_HOP], second.settings[NEXT_HOP]], ["gw.example", "b"])
        self.assertEqual([first.settings[NEXT_HOP_PORT], second.settings[NEXT_HOP_PORT]], [0, 5070])
        self.assertEqual([first.position[1:], second.position[1:]], [(1, 1), (4, 1)])
        (cluster,) = settings.blocks(CLUSTER)
        self.assertEqual((cluster.arguments, cluster.settings[GATEKEEPER]), (2, (("a", "1719"), ("b", "1719"))))

    def test_none(self) -> None:
        """Without blocks there is an empty tuple."""
        self.assertEqual(self.read("").blocks(ROUTE), ())

    def test_wrong_place(self) -> None:
        """A directive in the wrong place is told its right one."""
        self.assertEqual(
            self.problems(
                "Static_Route_NextHop a\n<StaticRoute Domain a>\nstatic_route_nexthop a\nListen 5060\n</StaticRoute>"
            ),
            [
                "sipd.conf:1:1: expected Static_Route_NextHop in <StaticRoute>, "
                "got Static_Route_NextHop outside of blocks",
                "sipd.conf:4:1: expected Listen outside of blocks, got Listen in <StaticRoute>",
            ],
        )

    def test_unknown_in_block(self) -> None:
        """The nearest name is looked for in the block first."""
        problems = self.problems("<StaticRoute Domain a>\nStatic_Route_NxtHop a\n</StaticRoute>")
        self.assertEqual(
            problems,
            [
                "sipd.conf:1:1: expected Static_Route_NextHop, got none",
                "sipd.conf:2:1: expected a directive of <StaticRoute>, got Static_Route_NxtHop, "
                "did you mean Static_Route_NextHop?",
            ],
        )

    def test_duplicate_in_block(self) -> None:
        """What may stand once may stand once in each block."""
        block = "<StaticRoute Domain a>\nStatic_Route_NextHop a\n</StaticRoute>\n"
        self.assertEqual(len(self.read(block * 2).blocks(ROUTE)), 2)
        self.assertEqual(
            self.problems(block.replace("\n</", "\nStatic_Route_NextHop b\n</")),
            ["sipd.conf:3:1: expected Static_Route_NextHop only once, got a duplicate of line 2"],
        )

    def test_wrong_arguments(self) -> None:
        """Wrong arguments do not hide what is wrong inside."""
        self.assertEqual(
            self.problems(
                "<RASGateKeeperCluster 0>\nRASGatekeeper a\n</RASGateKeeperCluster>\n"
                "<RASGateKeeperCluster>\n</RASGateKeeperCluster>"
            ),
            [
                "sipd.conf:1:23: expected a whole number of 1 or more, got 0",
                "sipd.conf:2:15: expected exactly two words, got a",
                "sipd.conf:4:22: expected a whole number of 1 or more, got end of line",
            ],
        )

    def test_container_or_not(self) -> None:
        """A container without brackets, and a directive with them, are told apart."""
        self.assertEqual(
            self.problems("StaticRoute Domain a\n<Listen 5060>\n</Listen>"),
            [
                "sipd.conf:1:1: expected the container <StaticRoute>, got StaticRoute",
                "sipd.conf:2:1: expected a container, got <Listen>, did you mean Listen?",
            ],
        )

    def test_unknown_container(self) -> None:
        """What stands in an unknown container cannot be judged."""
        self.assertEqual(
            self.problems("<StaticRout Domain a>\nXyzzy\n<Foo>\n</Foo>\n</StaticRout>\nXyzzy"),
            [
                "sipd.conf:1:1: expected a container, got <StaticRout>, did you mean <StaticRoute>?",
                "sipd.conf:6:1: expected a directive or container, got Xyzzy",
            ],
        )

    def test_unclosed(self) -> None:
        """A container without its end is reported where it begins."""
        self.assertEqual(
            self.problems("<IfModule mod_sip.c>\n <StaticRoute Domain a>\n  Static_Route_NextHop a\n"),
            [
                "sipd.conf:1:1: expected </IfModule> for <IfModule>, got end of file",
                "sipd.conf:2:2: expected </StaticRoute> for <StaticRoute>, got end of file",
            ],
        )

    def test_missing_end(self) -> None:
        """A block that is not closed ends where the next begins: one mistake, one error."""
        self.assertEqual(
            self.problems(
                "<StaticRoute Domain a>\nStatic_Route_NextHop a\n"
                "<StaticRoute Domain b>\nStatic_Route_NextHop a\n</StaticRoute>\nListen 5060"
            ),
            ["sipd.conf:3:1: expected <StaticRoute> outside of blocks, got <StaticRoute> in <StaticRoute>"],
        )

    def test_mismatched(self) -> None:
        """An outer closing tag closes what is open within."""
        self.assertEqual(
            self.problems(
                "<IfModule mod_sip.c>\n<StaticRoute Domain a>\nStatic_Route_NextHop a\n</IfModule>\nListen 5060"
            ),
            ["sipd.conf:2:1: expected </StaticRoute> for <StaticRoute>, got </IfModule> of line 4"],
        )

    def test_misspelt_end(self) -> None:
        """A misspelt closing tag closes, and a wrong one does not."""
        self.assertEqual(
            self.problems(
                "<IfModule mod_sip.c>\n</IfModul>\n<IfModule mod_sip.c>\n</StaticRoute>\n</IfModule x>\n</IfModule>"
            ),
            [
                "sipd.conf:2:1: expected </IfModule>, got </IfModul>",
                "sipd.conf:4:1: expected </IfModule>, got </StaticRoute>",
                "sipd.conf:5:12: expected >, got x",
                "sipd.conf:6:1: expected no closing tag, as no container is open, got </IfModule>",
            ],
        )


class ConditionTests(ConfigTestCase):
    """C{<IfModule>}."""

    def test_known(self) -> None:
        """A condition holds for a known module, with or without C{.c}, in any case."""
        for name in ("mod_sip.c", "mod_sip", "MOD_SIP.C", "server", '"mod_sip.c"'):
            self.assertEqual(self.read(f"<IfModule {name}>\nSIPT1InMs 100\n</IfModule>")[SIP_T1], 0.1)

    def test_unknown(self) -> None:
        """What stands under a module that is not known may be anything well-formed, variables too."""
        settings = self.read(
            "<IfModule mod_x.c>\nXyzzy ${NO}\n<Foo bar>\nInclude none\n</Foo>\nSIPT1InMs x\n</IfModule>"
        )
        self.assertFalse(settings.is_set(SIP_T1))

    def test_negated(self) -> None:
        """An exclamation mark turns the condition."""
        text = "<IfModule !{}>\nSIPT1InMs 100\n</IfModule>"
        self.assertFalse(self.read(text.format("mod_sip.c")).is_set(SIP_T1))
        self.assertTrue(self.read(text.format("mod_x.c")).is_set(SIP_T1))

    def test_nested(self) -> None:
        """Conditions nest: all must hold."""
        settings = self.read(
            "<IfModule mod_sip.c>\n<IfModule !mod_x.c>\nSIPT1InMs 100\n"
            "<IfModule mod_x>\nXyzzy\n<IfModule mod_sip>\nXyzzy\n</IfModule>\n</IfModule>\n</IfModule>\nSIPT2InMs 200\n"
            "</IfModule>\nListen 5070"
        )
        self.assertEqual((settings[SIP_T1], settings[SIP_T2], settings[LISTEN]), (0.1, 0.2, (Listen(None, 5070),)))

    def test_in_block(self) -> None:
        """A condition in a block is about the block's directives."""
        text = "<StaticRoute Domain a>\n<IfModule mod_sip.c>\nStatic_Route_NextHop b\n{}</IfModule>\n</StaticRoute>"
        self.assertEqual(self.read(text.format("")).blocks(ROUTE)[0].settings[NEXT_HOP], "b")
        self.assertEqual(
            self.problems(text.format("Listen 1\n")),
            ["sipd.conf:4:1: expected Listen outside of blocks, got Listen in <StaticRoute>"],
        )

    def test_same_scope(self) -> None:
        """A duplicate is one within a condition too."""
        self.assertEqual(
            self.problems("SIPT1InMs 100\n<IfModule mod_sip.c>\nSIPT1InMs 100\n</IfModule>\nSIPT1InMs 200"),
            [
                "sipd.conf:3:1: expected SIPT1InMs only once, got a duplicate of line 1",
                "sipd.conf:5:1: expected SIPT1InMs only once, got a duplicate of line 1",
            ],
        )

    def test_malformed(self) -> None:
        """A condition is one word; under a malformed one all is judged."""
        self.assertEqual(
            self.problems("<IfModule>\nXyzzy\n</IfModule>\n<IfModule a b>\n</IfModule>"),
            [
                "sipd.conf:1:10: expected a module's name, got end of line",
                "sipd.conf:2:1: expected a directive or container, got Xyzzy",
                "sipd.conf:4:13: expected end of line, got b",
            ],
        )
