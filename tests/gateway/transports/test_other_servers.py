"""The plain ASGI transport under servers nobody here wrote, each in a process of its own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tidings.testing import AsgiApp, PlainClient
from tidings.testing.clients import Closing, UpgradeRefused

pytestmark = [pytest.mark.world, pytest.mark.L3]

PATIENCE = 20.0

OPTIONS = {"hypercorn": ["--workers", "0"], "granian": [], "daphne": ["--websocket-max-message-size", "8000000"]}
"""daphne's bound holds for what the application sends as well; the others have none for that."""

# Echoes, obeys "close", "abort" and "long", and says on its output how connections end, by the paths that they came to.
APPLICATION = """
from tidings.gateway.transports.echo import Echo
from tidings.gateway.transports.handshake import Handshake, negotiate
from tidings.gateway.transports.base import TransportTerms
from tidings.gateway.transports.upgrade import refuse, upgrade

class Peer(Echo):
    def __init__(self, transport, path):
        super().__init__(transport)
        self.transport = transport
        self.path = path

    def receive(self, payload):
        if payload == b"close":
            self.transport.close(3501, "bad request")
        elif payload == b"abort":
            self.transport.abort()
        elif payload == b"long":
            self.transport.write(self.transport.wrap(b"x" * 5_000_000))
        else:
            super().receive(payload)

    def lost(self, code, reason):
        print("lost", self.path, code, reason, flush=True)

async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    if scope["path"] == "/full":
        await refuse(scope, receive, send, status=503, text="too many connections")
        return
    agreement = negotiate(Handshake.of(scope))
    join = lambda transport: Peer(transport, scope["path"])
    await upgrade(scope, receive, send, agreement=agreement, terms=TransportTerms(close_timeout=1.0), join=join)
"""


@pytest.fixture(scope="module", params=OPTIONS)
def host(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("application")
    (folder / "application.py").write_text(APPLICATION)
    return folder


@pytest.fixture(scope="module")
def server(host: str, folder: Path) -> Iterator[AsgiApp]:
    with AsgiApp("application:app", folder=folder, server=host, options=OPTIONS[host]) as server:
        yield server


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """Where a test's client connects, and by which the application calls it."""
    return f"/{request.node.originalname}"


@pytest.fixture
async def client(server: AsgiApp, path: str) -> AsyncIterator[PlainClient]:
    async with PlainClient(
        server.websocket(path), json=False, subprotocols=["centrifuge-json"], patience=PATIENCE
    ) as client:
        yield client


@pytest.fixture
def loses(server: AsgiApp, path: str) -> Callable[..., Awaitable[None]]:
    """Waits until the peer of a test's client has heard how the connection ended."""

    async def loses(how: str = "") -> None:
        await asyncio.to_thread(server.process.line, f"^lost {path} {how}", timeout=PATIENCE)

    return loses


async def test_messages(client, loses, host):
    """Both kinds, both ways; the client's close is reported. daphne sends no empty messages, and we have none."""
    assert client.subprotocol == "centrifuge-json"
    for message in ("ä", b"\xff", "x" * 60_000, *(("", b"") if host != "daphne" else ())):
        await client.send(message)
        assert await client.receive() == message
    await client.close(4000, "enough")
    await loses()


async def test_a_long_answer(client):
    """More than fits into any buffer on the way."""
    await client.send("long")
    assert await client.receive() == "x" * 5_000_000


async def test_our_close(client, loses, host):
    """The client sees code and reason, and so does the peer. daphne sends the code alone."""
    await client.send("close")
    assert await client.expect_closed() == Closing(3501, "" if host == "daphne" else "bad request")
    await loses("3501 bad request")


async def test_abort(client, loses, host):
    """The client loses its connection and may come back, the peer hears 1006."""
    await client.send("abort")
    assert (await client.expect_closed()).code == (1000 if host == "daphne" else 1011)
    await loses("1006")


async def test_a_message_that_is_too_long(client, loses, host):
    """Is answered with 1009 although the server itself would take it; under daphne with what means the same."""
    await client.send("x" * 65_537)
    assert (await client.expect_closed()).code == (3501 if host == "daphne" else 1009)
    await loses("1009")


async def test_a_lost_client(client, loses, host):
    """A client that drops its connection is 1006, under granian a client that closed without a code."""
    client.drop()
    await loses("1005" if host == "granian" else "1006")


async def test_refusing(server, host):
    """With an HTTP answer, where the server lets us; else with 403."""
    answer = "403 Access denied" if host == "daphne" else r"503 .*: too many connections\n"
    with pytest.raises(UpgradeRefused, match=answer) as refused:
        await PlainClient(server.websocket("/full")).open()
    assert refused.value.status == int(answer[:3])


async def test_a_stopping_server(host, folder):
    """Every client loses its connection and may come back, and the process ends with 0."""
    async with AsgiApp("application:app", folder=folder, server=host, options=OPTIONS[host]) as server:
        async with PlainClient(server.websocket(), patience=PATIENCE) as client:
            server.process.signal(signal.SIGTERM)
            assert (await client.expect_closed()).code in (1006, 1011)
        assert await asyncio.to_thread(server.process.wait, PATIENCE) == 0
