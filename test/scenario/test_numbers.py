"""Numbers that are expanded on their way (NumExpand, NumericUserNameInterpretation)."""

from test.scenario.stage import WireTestCase


class NumberTests(WireTestCase):
    """What a called number becomes."""

    def serve_numbers(self, **values: str) -> None:
        """Start a server with one expansion, and two static entries for the two forms of a number."""
        self.begin()
        self.serve(
            NumExpand="5.... 1408555....",
            StaticRegistration=["51234@example.com sip:short@10.0.0.2", "14085551234@example.com sip:long@10.0.0.2"],
            **values,
        )
        self.caller, self.called = self.wire("alice", "bob")

    def called_as(self, uri: bytes) -> bytes:
        """Call a number; give the Request-URI that arrives."""
        self.ask(b"MESSAGE", uri=uri)
        return self.forwarded.uri

    def test_as_dialled_first(self) -> None:
        """IP_164: the registry knows the number as dialled."""
        self.serve_numbers()
        self.assertEqual(self.called_as(b"sip:51234@example.com"), b"sip:short@10.0.0.2")

    def test_expanded_first(self) -> None:
        """164_IP: the expanded number comes first; 164: it alone."""
        for interpretation in ("164_IP", "164"):
            self.serve_numbers(NumericUserNameInterpretation=interpretation)
            self.assertEqual(self.called_as(b"sip:51234@example.com"), b"sip:long@10.0.0.2")

    def test_second_name(self) -> None:
        """A name that nobody has registered leads to the other one."""
        self.begin()
        self.serve(NumExpand="5.... 1408555....", StaticRegistration="14085559999@example.com sip:long@10.0.0.2")
        self.caller, self.called = self.wire("alice", "bob")
        self.assertEqual(self.called_as(b"sip:59999@example.com"), b"sip:long@10.0.0.2")

    def test_foreign_host(self) -> None:
        """A number elsewhere is not ours to expand."""
        self.serve_numbers()
        self.assertEqual(self.called_as(b"sip:51234@10.0.0.2"), b"sip:51234@10.0.0.2")
