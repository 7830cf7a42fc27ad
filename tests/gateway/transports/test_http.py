"""Requests as hostile clients write them, byte by byte: every wait has an end, and nothing can be read in two ways."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tidings.events import ConnectionRefused, Fact
from tidings.gateway.transports.http import HEAD_LIMIT_BYTES, HEADER_LIMIT, Doorkeeper, HttpProtocol, HttpTerms
from tidings.hooks import Hooks

pytestmark = [pytest.mark.shell, pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])]

HOST = b"Host: tidings.test\r\n"
SOON, NEVER = 0.1, 3600.0
LONG_ANSWER = b"x" * 16_000_000
"""More than the kernel's buffers of both sides hold."""


class Site:
    """Answers with what it has read, and remembers its scopes. /early answers first; /long says much."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body = LONG_ANSWER if scope["path"] == "/long" else b""
        more = scope["path"] not in ("/early", "/long")
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Server:
    """A port with all that a test wants to know about it."""

    def __init__(self, dial: Any) -> None:
        self.site = Site()
        self.facts: list[Fact] = []
        self._dial = dial

    async def start(self, serve: Any, hub: Any, *, head: float = NEVER, body: float = NEVER) -> Server:
        self.doorkeeper = Doorkeeper(HttpTerms(head, body), Hooks(self.facts.append))
        protocol = partial(HttpProtocol, doorkeeper=self.doorkeeper)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await (hub if scope["type"] == "websocket" else self.site)(scope, receive, send)

        self.served = await serve(app, http=protocol)
        return self

    async def wire(self) -> Any:
        return await self._dial(self.served.port)

    async def ask(self, *pieces: bytes) -> bytes:
        """All that is answered until the server ends the connection."""
        wire = await self.wire()
        for piece in pieces:
            wire.raw(piece)
            await asyncio.sleep(0)
        return await wire.ended()

    @property
    def refusals(self) -> list[tuple[int, str]]:
        return [(fact.status, fact.reason) for fact in self.facts if isinstance(fact, ConnectionRefused)]


@pytest.fixture
async def server(dial: Any) -> Server:
    return Server(dial)


UPGRADE = (
    b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

# Every wait has an end.


@pytest.mark.parametrize("head", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: tidings.test\r\nX-A: b"])
async def test_a_head_that_does_not_come_to_its_end(server, serve, hub, head):
    """Is answered 408, and told."""
    await server.start(serve, hub, head=SOON)
    answer = await server.ask(head)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert server.refusals == [(408, "the head of the request took too long")]


@pytest.mark.parametrize("nothing", [b"", b"\r\n"])
async def test_a_connection_on_which_nothing_comes(server, serve, hub, nothing):
    """Ends without a word; empty lines, which may stand before a request, are nothing."""
    await server.start(serve, hub, head=SOON)
    assert await server.ask(nothing) == b""


async def test_a_byte_now_and_then_buys_no_time(server, serve, hub):
    """The clock runs from the first byte, and on a connection that is used again from the first of the next request."""
    await server.start(serve, hub, head=SOON)
    wire = await server.wire()
    wire.raw(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (await wire.answer())[0] == "HTTP/1.1 200 OK"
    loop = asyncio.get_running_loop()
    began = loop.time()
    ended = asyncio.ensure_future(wire.reader.read())
    wire.raw(b"GET / HTTP/1.1\r\n")
    while not ended.done():
        wire.raw(b"A: b\r\n")
        await asyncio.wait([ended], timeout=SOON / 10)
        assert loop.time() - began < 20
    # A byte that comes too late is answered with a reset, in which the answer may be lost.
    assert isinstance(ended.exception(), ConnectionError) or b"408" in ended.result()
    assert server.refusals == [(408, "the head of the request took too long")]


async def test_empty_lines_buy_no_time_either(server, serve, hub):
    """Not even on a connection that has been answered, where they stop the clock for idle ones."""
    await server.start(serve, hub, head=SOON)
    wire = await server.wire()
    wire.raw(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    await wire.answer()
    wire.raw(b"\r\n")
    assert await wire.ended() == b""


async def test_a_body_that_does_not_come_to_its_end(server, serve, hub):
    """Is answered 408, and the application sees a client gone."""
    await server.start(serve, hub, body=SOON)
    answer = await server.ask(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert server.refusals == [(408, "the body of the request took too long")]


async def test_a_body_that_nobody_wants(server, serve, hub):
    """A request that has its answer gets no second one; its connection ends when the body is late."""
    await server.start(serve, hub, body=SOON)
    answer = await server.ask(b"POST /early HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 200 OK") and answer.count(b"HTTP/1.1") == 1


async def test_an_answer_that_nobody_reads(server, serve, hub, until):
    """Holds its memory for a bounded time."""
    await server.start(serve, hub, body=SOON)
    wire = await server.wire()
    wire.writer.transport.pause_reading()
    wire.raw(b"GET /long HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    await until(lambda: server.site.scopes)
    await until(server.served.idle)


# What is read is bounded.


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 2 * HEAD_LIMIT_BYTES,
        b"GET /" + b"a" * 2 * HEAD_LIMIT_BYTES,
        b"GET /" + b"a" * 2 * HEAD_LIMIT_BYTES + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * HEADER_LIMIT + b"\r\n",
    ],
    ids=["a field without end", "a path without end", "a long path", "many fields"],
)
async def test_a_head_that_is_too_long(server, serve, hub, head):
    """431, whether or not it comes to its end; and nothing of it reaches the application."""
    await server.start(serve, hub)
    wire = await server.wire()
    wire.raw(head)
    assert (await wire.answer())[0] == "HTTP/1.1 431 Request Header Fields Too Large"
    assert server.refusals == [(431, "the head of the request is too long")]
    assert server.site.scopes == []


async def test_a_long_body_is_no_long_head(server, serve, hub):
    """Nor is it one of the request that begins in the same read."""
    await server.start(serve, hub)
    size = 3 * HEAD_LIMIT_BYTES
    long = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size + b"a" * size
    answer = await server.ask(long + b"GET / HT", b"TP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert server.refusals == []


# What is open costs nothing.


async def test_an_open_websocket_is_not_watched(server, serve, hub):
    """Neither it nor a connection that waits for its next request has a place or a timer here."""
    await server.start(serve, hub, head=SOON, body=SOON)
    visitors = [await server.wire() for _ in range(3)]
    for wire in visitors:
        assert (await wire.handshake())[0] == "HTTP/1.1 101 Switching Protocols"
    idle = await server.wire()
    idle.raw(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\na")
    await idle.answer()
    keeper = server.doorkeeper
    assert (len(keeper.heads), len(keeper.bodies), len(keeper.answers)) == (0, 0, 0)
    async with asyncio.timeout(10):
        while keeper.heads._timer or keeper.bodies._timer or keeper.answers._timer:
            await asyncio.sleep(SOON / 10)
    assert len(server.served.state.connections) == 4
    for wire in visitors:
        wire.hang_up()


# Nothing can be read in two ways.

CHUNKED = b"Transfer-Encoding: chunked\r\n"
LENGTH = b"Content-Length: 1\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\n" + HOST + LENGTH + CHUNKED + b"\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + CHUNKED + LENGTH + b"\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + LENGTH + LENGTH + b"\r\na",
        b"POST / HTTP/1.1\r\n" + HOST + LENGTH + b"Content-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1, 1\r\n\r\na",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\na",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n 1\r\n\r\na",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n0x1\r\na\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n" + b"f" * 17 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rY: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: tidings.test\n\n",
        b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT elsewhere:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET http://elsewhere HTTP/1.1\r\n" + HOST + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 100,
    ],
)
async def test_an_ambiguous_request(server, serve, hub, request_bytes):
    """400, the application does not see it, and what follows on the connection is not read."""
    await server.start(serve, hub)
    answer = await server.ask(request_bytes + b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert all(scope["path"] != "/smuggled" for scope in server.site.scopes)
    assert [status for status, _ in server.refusals] == [400]


@pytest.mark.parametrize("version", [b"", b" HTTP/0.9", b" HTTP/2.0"])
async def test_other_versions(server, serve, hub, version):
    """505: older ones have no heads, and newer ones no lines."""
    await server.start(serve, hub)
    answer = await server.ask(b"GET /" + version + b"\r\n" + (HOST if version else b"") + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 505 ")
    assert server.site.scopes == []


async def test_a_trailer_adds_no_headers(server, serve, hub):
    """A proxy in front may have looked at the head alone, for a key or for an address."""
    await server.start(serve, hub)
    wire = await server.wire()
    wire.raw(b"POST / HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n1\r\na\r\n0\r\nX-API-Key: k\r\n\r\n")
    assert (await wire.answer())[0] == "HTTP/1.1 200 OK"
    (scope,) = server.site.scopes
    assert [name for name, _ in scope["headers"]] == [b"host", b"transfer-encoding"]


async def test_an_upgrade_to_something_else(server, serve, hub):
    """The request is answered as if it had not asked, and nothing that follows is taken for another one."""
    await server.start(serve, hub)
    answer = await server.ask(
        b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 OK") and answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer
    assert [scope["path"] for scope in server.site.scopes] == ["/"]


async def test_a_refusal_does_not_stand_within_another_answer(server, serve, hub):
    """A good request with a bad one behind it is answered whole, and then the connection ends."""
    await server.start(serve, hub)
    good = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
    answer = await server.ask(good + b"GET / HTTP/1.1\r\nno field\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b"\r\n\r\nhello")


async def test_a_handshake_behind_a_request(server, serve, hub):
    """Is not answered in the middle of that request's answer."""
    await server.start(serve, hub)
    answer = await server.ask(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello" + UPGRADE)
    assert answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b"\r\n\r\nhello")
    assert hub.peers == []


async def test_requests_in_a_row(server, serve, hub):
    """Are answered in their order on one connection, as ever."""
    await server.start(serve, hub)
    requests = [b"POST / HTTP/1.1\r\n%bContent-Length: 1\r\n\r\n%d" % (HOST, number) for number in range(3)]
    answer = await server.ask(*requests, b"GET / HTTP/1.0\r\n\r\n")
    bodies = [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"0", b"1", b"2", b""]
