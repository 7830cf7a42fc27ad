"""A node with its HTTP API, and clients on it, in one process and without a socket.

`site` is a site of its own for every test. `open_site` makes one with other settings, or where there is no fixture.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from msgspec import Struct
from starlette.routing import Router

from tidings.app import build
from tidings.app.api import Handler, routes
from tidings.app.settings import Settings
from tidings.clock import ManualClock
from tidings.errors import TidingsError
from tidings.events import Fact
from tidings.gateway.node import Node
from tidings.gateway.tokens import mint
from tidings.gateway.transports.handshake import Handshake
from tidings.hooks import Hooks
from tidings.wire.centrifuge.json import JSON

KEY = "a key of the tests"
SECRET = "a secret of at least thirty-two characters"
HANDSHAKE = Handshake("/connection/websocket", {}, {}, None, "", "", ())
PATIENCE = 10.0
"""Seconds after which an answer that does not come is none."""

SETTINGS = {
    "auth": {"hmac_secret": SECRET},
    "client": {"personal_channel": False},
    "channels": {
        "namespaces": {
            "kept": {"history_size": 10, "history_ttl": 60.0},
            "open": {"history_size": 10, "history_ttl": 60.0, "allow_publish_for_client": True},
            "seen": {"presence": True, "join_leave": True},
            "texts": {"publication_data_format": "json"},
            "objects": {"publication_data_format": "json_object"},
            "blobs": {"publication_data_format": "binary", "history_size": 10, "history_ttl": 60.0},
        }
    },
}


class Reply(Struct, frozen=True):
    """What came back over HTTP."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Visitor:
    """A connected client, which is a transport as the gateway sees it. `heard` are the lines that it was sent."""

    name = "visitor"
    native_pings = False
    text = True

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.closed: tuple[int, str] | None = None
        self.wrap: Callable[[bytes], bytes] = bytes

    def write(self, data: bytes, /) -> None:
        self.heard += map(json.loads, data.split(b"\n"))

    def close(self, code: int, reason: str) -> None:
        self.closed = code, reason
        asyncio.get_running_loop().call_soon(self.peer.lost, code, reason)

    async def arrive(self, node: Node, token: str) -> None:
        self.peer = node.join(self, JSON, HANDSHAKE)  # type: ignore[arg-type]
        await self.tell({"id": 1, "connect": {"token": token}})

    async def tell(self, command: dict[str, Any]) -> Any:
        """Send a command, and wait for its reply."""
        self.peer.receive(json.dumps(command).encode())
        await self.until(lambda: any(heard.get("id") == command["id"] for heard in self.heard))
        return next(heard for heard in self.heard if heard.get("id") == command["id"])

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0)

    @property
    def id(self) -> str:
        return self.peer.client_id

    @property
    def pushes(self) -> list[Any]:
        """What it was sent without asking."""
        return [heard["push"] for heard in self.heard if "push" in heard]


class Site:
    """A running node with its API. `facts` are what it announced; `rpc` may be added to at any time.

    `client` is whose requests these are.
    """

    def __init__(self, node: Node, clock: ManualClock, facts: list[Fact], how: Mapping[str, Any]) -> None:
        self.node = node
        self.clock = clock
        self.facts = facts
        self.rpc: dict[str, Handler] = {}
        self.client: tuple[str, int] | None = ("192.0.2.1", 5060)
        self._app = Router(routes(node, **{"key": KEY, "name": "here", "rpc": self.rpc, **how}))

    async def call(self, method: str, body: bytes) -> bytes:
        """Post a body to a method, and return that of the answer, which has status 200."""
        reply = await self.post(f"/api/{method}", body)
        assert (reply.status, reply.headers[b"content-type"]) == (200, b"application/json"), reply
        assert reply.headers[b"content-length"] == str(len(reply.body)).encode()
        return reply.body

    async def post(self, path: str, body: bytes, *headers: tuple[bytes, bytes]) -> Reply:
        """Post with the key and further headers."""
        return await self.request("POST", path, [body], [(b"x-api-key", KEY.encode()), *headers])

    async def request(
        self,
        method: str,
        path: str,
        chunks: Iterable[bytes] = (b"",),
        headers: Iterable[tuple[bytes, bytes]] = (),
        query: bytes = b"",
    ) -> Reply:
        """Any request. A client whose `chunks` run out before the body is complete hangs up."""
        messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        messages[-1:] = [{**message, "more_body": False} for message in messages[-1:]]
        return await self.exchange(method, path, messages, headers, query)

    async def exchange(
        self,
        method: str,
        path: str,
        messages: Iterable[dict[str, Any]],
        headers: Iterable[tuple[bytes, bytes]] = (),
        query: bytes = b"",
    ) -> Reply:
        """What an ASGI server does with a request: hand over its messages, then that the client is gone."""
        incoming, sent = iter(messages), []

        async def receive() -> dict[str, Any]:
            return next(incoming, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "root_path": "",
            "query_string": query,
            "headers": list(headers),
            "client": self.client,
        }
        async with asyncio.timeout(PATIENCE):
            await self._app(scope, receive, send)
        if not sent:
            return Reply(0, {}, b"")
        start, *rest = sent
        return Reply(start["status"], dict(start["headers"]), b"".join(message.get("body", b"") for message in rest))

    async def visit(self, user: str, *channels: str) -> Visitor:
        """A client of `user` that has connected and was subscribed to channels."""
        visitor = Visitor()
        await visitor.arrive(self.node, mint(SECRET, user=user, ttl=0, now=self.clock.now()))
        for channel in channels:
            request = json.dumps({"user": user, "channel": channel, "client": visitor.id})
            assert await self.call("subscribe", request.encode()) == b'{"result":{}}'
        return visitor


@asynccontextmanager
async def opened(**how: Any) -> AsyncIterator[Site]:
    clock, facts = ManualClock(), []
    node = build.node(Settings.of(SETTINGS), hooks=Hooks(facts.append), clock=clock, version="1.2.3")
    await node.start()
    try:
        yield Site(node, clock, facts, how)
    finally:
        await node.stop()


@pytest.fixture(scope="session")
def open_site() -> Callable[..., AbstractAsyncContextManager[Site]]:
    """Opens a site; keyword arguments are those of `routes`."""
    return opened


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with opened() as site:
        yield site


@pytest.fixture
def refuses() -> Callable[[TidingsError], Handler]:
    """Makes an rpc handler that raises an error."""

    def handler(error: Exception) -> Handler:
        async def refuse(params: bytes) -> bytes:
            raise error

        return refuse

    return handler
