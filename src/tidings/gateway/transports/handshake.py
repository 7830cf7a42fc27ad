"""What a client asks for when it opens a connection, and what it gets."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.types import Scope

from tidings.wire.centrifuge.codec import Codec
from tidings.wire.centrifuge.json import JSON
from tidings.wire.centrifuge.protobuf import PROTOBUF

SUBPROTOCOLS: Mapping[str, Codec] = {"centrifuge-json": JSON, "centrifuge-protobuf": PROTOBUF}


class Handshake(Struct, frozen=True):
    """The request that opens a connection.

    `path` is decoded and includes the prefix under which the application is mounted. Of a query parameter that comes
    twice the first counts, the values of a header that comes twice are joined by a comma. The names of headers are in
    lower case. `address` is the client's, as far as the server trusts its proxies; "" where there is none.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    origin: str | None
    host: str
    address: str
    subprotocols: tuple[str, ...]

    @classmethod
    def of(cls, scope: Scope) -> Handshake:
        """Read the scope of an ASGI connection."""
        headers = _headers(scope)
        client = scope.get("client")
        return cls(
            path=scope["path"],
            query=_query(scope["query_string"]),
            headers=headers,
            origin=headers.get("origin"),
            host=headers.get("host", ""),
            address=client[0] if client else "",
            subprotocols=tuple(name for name in scope.get("subprotocols", ()) if name),
        )


class Agreement(Struct, frozen=True):
    """How client and server will talk.

    `subprotocol` is what the answer names, if anything. `native_pings` is the client's wish to be pinged by the
    transport rather than by messages; whether that is possible, `Transport.native_pings` says.
    """

    codec: Codec
    subprotocol: str | None = None
    native_pings: bool = False


def negotiate(handshake: Handshake) -> Agreement:
    """Choose for a client of the Centrifuge protocol.

    The first subprotocol that we know decides, then the query. A client that names neither, or only what we do not
    know, is accepted without a subprotocol: many JSON clients offer none, or send an empty header.
    """
    subprotocol = next((name for name in handshake.subprotocols if name in SUBPROTOCOLS), None)
    return Agreement(
        codec=_queried(handshake.query) if subprotocol is None else SUBPROTOCOLS[subprotocol],
        subprotocol=subprotocol,
        native_pings=handshake.query.get("cf_ws_frame_ping_pong") == "true",
    )


def _queried(query: Mapping[str, str]) -> Codec:
    asked = query.get("format"), query.get("cf_protocol")
    return PROTOBUF if "protobuf" in asked else JSON


def _headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        # Header values are bytes without a declared encoding; latin-1 keeps every one of them (RFC 9110, section 5.5).
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _query(query_string: bytes) -> dict[str, str]:
    if not query_string:
        return {}
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    return dict(reversed(pairs))
