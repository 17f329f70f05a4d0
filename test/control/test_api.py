"""Requests of the control socket, as far as they are the same for all resources."""

import json
from typing import Any

from twisted.internet.defer import Deferred, fail

from sipproxy.control import Api, Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.errors import StoreError, UnavailableError
from test.control.fixtures import ApiTestCase

_NAME = Field("name", {"type": "string", "maxLength": 5}, "A name.", True)
_COUNT = Field("count", {"type": "integer", "minimum": 1, "maximum": 9}, "A number.")
_SHARE = Field("share", {"type": "number", "minimum": 0, "maximum": 1}, "A share.")
_SURE = Field("sure", {"type": "boolean"}, "Whether.")


class RequestTests(ApiTestCase):
    """What is asked, and whether it may be."""

    def setUp(self) -> None:
        def echo(arguments: Arguments) -> Json:
            return dict(arguments)

        def break_down(arguments: Arguments) -> "Deferred[Json]":
            errors: dict[str, Exception] = {
                "away": StoreError("disk full"),
                "none": UnavailableError(b"Registry Unavailable"),
                "no": ControlError(409, "not now"),
                "bug": ZeroDivisionError(),
            }
            return fail(errors[arguments["name"]])

        thing: Any = {"type": "object"}
        self.api = Api(
            [
                Resource(
                    "/things",
                    (
                        Operation("GET", "Look.", echo, thing, query=(_COUNT, _SHARE, _SURE)),
                        Operation("POST", "Make.", echo, thing, body=(_NAME, _SHARE), status=201),
                        Operation("DELETE", "Break down.", break_down, thing, query=(_NAME,)),
                    ),
                )
            ]
        )

    def test_query(self) -> None:
        """Values of a query have the type that is declared; what is left out is not there."""
        self.assertEqual(self.ask("GET", "/things"), (200, {}))
        self.assertEqual(
            self.ask("GET", "/things", count=3, share=0.5, sure="true"), (200, {"count": 3, "share": 0.5, "sure": True})
        )

    def test_wrong_query(self) -> None:
        """A value that is not declared so is 400, and the message says what was expected."""
        for name, value, message in (
            ("count", "x", "count: expected a whole number from 1 to 9"),
            ("count", "10", "count: expected a whole number from 1 to 9"),
            ("count", "²", "count: expected a whole number from 1 to 9"),
            ("share", "nan", "share: expected a number from 0 to 1"),
            ("sure", "yes", "sure: expected true or false"),
            ("other", "1", "'other' is not known here; known: count, share, sure"),
        ):
            self.assertEqual(self.refused("GET", "/things", **{name: value}), (400, message))
        self.assertEqual(self.refused("GET", "/things?count=1&count=2"), (400, "count is there twice"))
        self.assertEqual(self.refused("GET", "/things?" + "count=1&" * 200)[0], 400)
        self.assertEqual(self.refused("GET", "/things?other=%FF")[0], 400)

    def test_body(self) -> None:
        """The body is a JSON object with the fields that are declared."""
        self.assertEqual(self.ask("POST", "/things", {"name": "a", "share": 1}), (201, {"name": "a", "share": 1}))

    def test_wrong_body(self) -> None:
        """Any other body is refused."""
        for body, message in (
            ({}, "name is missing"),
            ({"name": "abcdef"}, "name: expected text of at most 5 characters"),
            ({"name": 1}, "name: expected text of at most 5 characters"),
            ({"name": None}, "name: expected text of at most 5 characters"),
            ({"name": "a", "share": True}, "share: expected a number from 0 to 1"),
            ({"name": "a", "\ud800": 1}, "'\\ud800' is not known here; known: name, share"),
            ([], "the body is not a JSON object"),
        ):
            self.assertEqual(self.refused("POST", "/things", body), (400, message))

    def test_no_json(self) -> None:
        """What is no JSON is refused, whatever it does to a parser; so is any other type."""
        for body in (b"", b"{", b"\xff", b'{"name": NaN}', b"[" * 100_000, b"1" * 10_000):
            reply = self.successResultOf(self.api.handle("POST", "/v1/things", "application/json", body))
            self.assertEqual(reply.status, 400, body[:20])
        reply = self.successResultOf(self.api.handle("POST", "/v1/things", "text/plain", b'{"name": "a"}'))
        self.assertEqual(reply.status, 415)
        typed = self.api.handle("POST", "/v1/things", "Application/JSON; charset=utf-8", b'{"name": "a"}')
        self.assertEqual(self.successResultOf(typed).status, 201)

    def test_unexpected_body(self) -> None:
        """A body where none is declared is refused."""
        self.assertEqual(self.refused("GET", "/things", {"count": 1}), (400, "a body is not expected"))

    def test_no_resource(self) -> None:
        """A path that there is not is 404, with its version or without."""
        self.assertEqual(self.refused("GET", "/other"), (404, "there is no /v1/other"))
        self.assertEqual(self.successResultOf(self.api.handle("GET", "/things")).status, 404)

    def test_no_method(self) -> None:
        """A method that a resource does not know is 405, and those that it knows are told; HEAD is a GET."""
        reply = self.successResultOf(self.api.handle("PUT", "/v1/things"))
        self.assertEqual((reply.status, reply.allow), (405, ("GET", "POST", "DELETE")))
        self.assertEqual(self.ask("HEAD", "/things", count=2), (200, {"count": 2}))

    def test_refusals(self) -> None:
        """What an operation fails with has its status and its text."""
        for name, status, message in (
            ("away", 503, "disk full"),
            ("none", 503, "503 Registry Unavailable"),
            ("no", 409, "not now"),
        ):
            self.assertEqual(self.refused("DELETE", "/things", name=name), (status, message))

    def test_faults(self) -> None:
        """A fault of ours is 500 and in the log."""
        self.assertEqual(self.refused("DELETE", "/things", name="bug")[0], 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_description(self) -> None:
        """The OpenAPI document describes every resource, itself too, as the code checks it."""
        status, document = self.ask("GET", "/openapi.json")
        self.assertEqual((status, document["openapi"]), (200, "3.1.0"))
        self.assertEqual(list(document["paths"]), ["/v1/things", "/v1/openapi.json"])
        things = document["paths"]["/v1/things"]
        self.assertEqual(list(things), ["get", "post", "delete"])
        self.assertEqual(
            things["get"]["parameters"][0],
            {
                "name": "count",
                "in": "query",
                "description": "A number.",
                "required": False,
                "schema": {"type": "integer", "minimum": 1, "maximum": 9},
            },
        )
        body = things["post"]["requestBody"]["content"]["application/json"]["schema"]
        self.assertEqual((body["required"], list(body["properties"])), (["name"], ["name", "share"]))
        self.assertEqual(list(things["post"]["responses"]), ["201", "400", "413", "415", "500", "503"])
        self.assertEqual(json.loads(json.dumps(document)), document)
