"""The plain ASGI transport under a server nobody here wrote, in a process of its own."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

pytestmark = pytest.mark.world

PATIENCE = 10.0

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


class Hypercorn:
    """The running server and what it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait for a line that matches."""
        assert self.process.stdout is not None
        seen = ""
        async with asyncio.timeout(PATIENCE):
            while line := (await self.process.stdout.readline()).decode():
                seen += line
                if found := re.search(pattern, line):
                    return found
        raise AssertionError(f"hypercorn ended without saying {pattern!r}:\n{seen}")


@pytest.fixture
async def hypercorn(tmp_path: Path) -> AsyncIterator[Hypercorn]:
    (tmp_path / "application.py").write_text(APPLICATION)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hypercorn", "--workers", "0", "--graceful-timeout", "1", "--bind", "127.0.0.1:0", "application:app"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    server = Hypercorn(process)
    server.url = "ws" + (await server.says(r"Running on http(://[\d.]+:\d+)"))[1]
    yield server
    if process.returncode is None:
        process.terminate()
    await asyncio.wait_for(process.communicate(), PATIENCE)


@pytest.fixture
async def client(hypercorn: Hypercorn) -> AsyncIterator[ClientConnection]:
    async with connect(hypercorn.url, subprotocols=["centrifuge-json"], max_size=None) as client:
        yield client


async def test_messages(client, hypercorn):
    """Both kinds, both ways; the client's close is reported."""
    assert client.subprotocol == "centrifuge-json"
    for message in ("ä", b"\xff", "", b"", "x" * 60_000):
        await client.send(message)
        assert await client.recv() == message
    await client.close(4000, "enough")
    await hypercorn.says("^lost ")


async def test_a_long_answer(client):
    """More than fits into any buffer on the way."""
    await client.send("long")
    assert await client.recv() == "x" * 5_000_000


async def test_our_close(client, hypercorn):
    """The client sees code and reason, and so does the peer."""
    await client.send("close")
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (3501, "bad request")
    await hypercorn.says("^lost 3501 bad request")


async def test_abort(client, hypercorn):
    """The client loses its connection, the peer hears 1006."""
    await client.send("abort")
    with pytest.raises(ConnectionClosed):
        await client.recv()
    await hypercorn.says("^lost 1006")


async def test_a_message_that_is_too_long(client, hypercorn):
    """Is answered with 1009 although the server itself would take it."""
    await client.send("x" * 65_537)
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    assert closed.value.rcvd.code == 1009
    await hypercorn.says("^lost 1009")


async def test_a_lost_client(client, hypercorn):
    """A client that drops its connection is 1006."""
    client.transport.abort()
    await hypercorn.says("^lost 1006")


async def test_refusing(hypercorn):
    """With an HTTP answer."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{hypercorn.url}/full")
    response = refused.value.response
    assert (response.status_code, response.body) == (503, b"too many connections")


async def test_a_stopping_server(client, hypercorn):
    """Every peer is told, and the process ends."""
    hypercorn.process.send_signal(signal.SIGTERM)
    await hypercorn.says("^lost ")
    assert await asyncio.wait_for(hypercorn.process.wait(), PATIENCE) == 0
