"""The plain ASGI transport under a server nobody here wrote, in a process of its own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tidings.testing import AsgiApp, PlainClient
from tidings.testing.clients import Closing, UpgradeRefused

pytestmark = [pytest.mark.world, pytest.mark.L3]

PATIENCE = 20.0

# Echoes, obeys "close", "abort" and "long", and says on its output how connections end.
APPLICATION = """
from tidings.gateway.transports.echo import Echo
from tidings.gateway.transports.handshake import Handshake, negotiate
from tidings.gateway.transports.base import TransportTerms
from tidings.gateway.transports.upgrade import refuse, upgrade

class Peer(Echo):
    def __init__(self, transport):
        super().__init__(transport)
        self.transport = transport

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
        print("lost", code, reason, flush=True)

async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    if scope["path"] == "/full":
        await refuse(scope, receive, send, status=503, text="too many connections")
        return
    agreement = negotiate(Handshake.of(scope))
    await upgrade(scope, receive, send, agreement=agreement, terms=TransportTerms(close_timeout=1.0), join=Peer)
"""


@pytest.fixture
async def hypercorn(tmp_path: Path) -> AsyncIterator[AsgiApp]:
    (tmp_path / "application.py").write_text(APPLICATION)
    async with AsgiApp("application:app", folder=tmp_path, server="hypercorn", options=["--workers", "0"]) as server:
        yield server


@pytest.fixture
async def client(hypercorn: AsgiApp) -> AsyncIterator[PlainClient]:
    async with PlainClient(
        hypercorn.websocket(), json=False, subprotocols=["centrifuge-json"], patience=PATIENCE
    ) as client:
        yield client


async def says(hypercorn: AsgiApp, pattern: str) -> None:
    """Wait for a line that matches."""
    await asyncio.to_thread(hypercorn.process.line, pattern, timeout=PATIENCE)


async def test_messages(client, hypercorn):
    """Both kinds, both ways; the client's close is reported."""
    assert client.subprotocol == "centrifuge-json"
    for message in ("ä", b"\xff", "", b"", "x" * 60_000):
        await client.send(message)
        assert await client.receive() == message
    await client.close(4000, "enough")
    await says(hypercorn, "^lost ")


async def test_a_long_answer(client):
    """More than fits into any buffer on the way."""
    await client.send("long")
    assert await client.receive() == "x" * 5_000_000


async def test_our_close(client, hypercorn):
    """The client sees code and reason, and so does the peer."""
    await client.send("close")
    assert await client.expect_closed() == Closing(3501, "bad request")
    await says(hypercorn, "^lost 3501 bad request")


async def test_abort(client, hypercorn):
    """The client loses its connection, the peer hears 1006."""
    await client.send("abort")
    assert (await client.expect_closed()).code in (1006, 1011)
    await says(hypercorn, "^lost 1006")


async def test_a_message_that_is_too_long(client, hypercorn):
    """Is answered with 1009 although the server itself would take it."""
    await client.send("x" * 65_537)
    assert (await client.expect_closed()).code == 1009
    await says(hypercorn, "^lost 1009")


async def test_a_lost_client(client, hypercorn):
    """A client that drops its connection is 1006."""
    client.drop()
    await says(hypercorn, "^lost 1006")


async def test_refusing(hypercorn):
    """With an HTTP answer."""
    with pytest.raises(UpgradeRefused, match=r"503 .*: too many connections\n") as refused:
        await PlainClient(hypercorn.websocket("/full")).open()
    assert refused.value.status == 503


async def test_a_stopping_server(client, hypercorn):
    """Every peer is told, and the process ends."""
    hypercorn.process.signal(signal.SIGTERM)
    await says(hypercorn, "^lost ")
    assert await asyncio.to_thread(hypercorn.process.wait, PATIENCE) == 0
