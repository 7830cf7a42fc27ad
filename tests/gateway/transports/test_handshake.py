"""Reading a handshake, and what is agreed upon."""

from __future__ import annotations

from typing import Any

import pytest

from tidings.gateway.transports.handshake import Agreement, Handshake, negotiate
from tidings.wire.centrifuge.json import JSON
from tidings.wire.centrifuge.protobuf import PROTOBUF

pytestmark = pytest.mark.core


def scope(**changes: Any) -> dict[str, Any]:
    return {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "subprotocols": []} | changes


def agreed(*subprotocols: str, query: bytes = b"") -> Agreement:
    return negotiate(Handshake.of(scope(subprotocols=list(subprotocols), query_string=query)))


def test_a_scope_is_read_completely():
    """Path, query, headers and the client's address come from the scope as the server decoded them."""
    handshake = Handshake.of(
        scope(
            path="/realtime/connection/websocket",
            query_string=b"format=protobuf&x=%C3%A4&empty=",
            headers=[(b"Host", b"example.org:8000"), (b"origin", b"https://example.org"), (b"x-tag", b"a\xe4")],
            client=("203.0.113.9", 4711),
            subprotocols=["centrifuge-json", ""],
        )
    )
    assert handshake == Handshake(
        path="/realtime/connection/websocket",
        query={"format": "protobuf", "x": "ä", "empty": ""},
        headers={"host": "example.org:8000", "origin": "https://example.org", "x-tag": "aä"},
        origin="https://example.org",
        host="example.org:8000",
        address="203.0.113.9",
        subprotocols=("centrifuge-json",),
    )


def test_what_is_missing_is_empty():
    """A client behind a Unix socket has no address, a program no origin."""
    handshake = Handshake.of(scope(client=None))
    assert (handshake.address, handshake.host, handshake.origin) == ("", "", None)


def test_repeated_names():
    """The first of two equal query parameters counts; the values of two equal headers are joined."""
    handshake = Handshake.of(scope(query_string=b"a=1&a=2", headers=[(b"x-forwarded", b"1"), (b"X-Forwarded", b"2")]))
    assert handshake.query == {"a": "1"}
    assert handshake.headers == {"x-forwarded": "1, 2"}


def test_no_origin_is_not_an_empty_origin():
    """An empty Origin header was sent by a browser; that there is none says that it was not a browser."""
    assert Handshake.of(scope(headers=[(b"origin", b"")])).origin == ""


def test_the_protobuf_subprotocol():
    """Is Protobuf, and named in the answer."""
    assert agreed("centrifuge-protobuf") == Agreement(PROTOBUF, "centrifuge-protobuf")


def test_the_json_subprotocol():
    """Is JSON, and named in the answer."""
    assert agreed("centrifuge-json") == Agreement(JSON, "centrifuge-json")


def test_no_subprotocol():
    """Most JSON clients offer none, or send an empty header; they are accepted without one."""
    assert agreed() == agreed("") == Agreement(JSON)


def test_an_unknown_subprotocol():
    """Whoever offers only what we do not know is accepted without any."""
    assert agreed("graphql-ws", "Centrifuge-JSON") == Agreement(JSON)


def test_the_first_known_subprotocol_counts():
    """The client's order is its preference; what we do not know is skipped."""
    assert agreed("x", "centrifuge-protobuf", "centrifuge-json") == Agreement(PROTOBUF, "centrifuge-protobuf")


@pytest.mark.parametrize("query", [b"format=protobuf", b"cf_protocol=protobuf", b"a=b&format=protobuf&c=d"])
def test_protobuf_by_query(query: bytes):
    """A client that cannot set a subprotocol asks in the query, and gets none in the answer."""
    assert agreed(query=query) == Agreement(PROTOBUF)


@pytest.mark.parametrize("query", [b"format=json", b"format=", b"format=PROTOBUF", b"protobuf", b"%ff%fe&&=;"])
def test_other_queries(query: bytes):
    """Whatever does not ask for Protobuf in these words is JSON."""
    assert agreed(query=query) == Agreement(JSON)


def test_a_subprotocol_outweighs_the_query():
    """What the answer names is what is spoken."""
    assert agreed("centrifuge-json", query=b"format=protobuf") == Agreement(JSON, "centrifuge-json")


@pytest.mark.parametrize(("value", "native"), [(b"true", True), (b"false", False), (b"1", False), (b"", False)])
def test_native_pings(value: bytes, native: bool):
    """Pings of the WebSocket protocol instead of messages, for clients that ask for them."""
    assert agreed(query=b"cf_ws_frame_ping_pong=" + value).native_pings is native
