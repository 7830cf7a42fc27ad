"""The echo, through every transport."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.asyncio.client import connect

from tidings.gateway.transports.base import TransportTerms
from tidings.gateway.transports.echo import BACKLOG_LIMIT_BYTES, MESSAGE_LIMIT_BYTES, Echo
from tidings.gateway.transports.uvicorn import WebSocketProtocol

pytestmark = [pytest.mark.shell, pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])]


@pytest.fixture
def echo(hub: Any) -> Any:
    hub.peer = Echo
    return hub


@pytest.mark.parametrize("compression", [False, True])
@pytest.mark.parametrize("protocol", [WebSocketProtocol, "websockets-sansio", "wsproto"])
async def test_everything_comes_back(serve, echo, protocol, compression):
    """Text as text, binary as binary, mixed on one connection, up to 16 MiB."""
    echo.terms = TransportTerms(message_limit_bytes=MESSAGE_LIMIT_BYTES, compression=compression)
    served = await serve(echo, ws=protocol)
    async with connect(f"ws://127.0.0.1:{served.port}/", max_size=None) as client:
        for message in ("", b"", "ä" * 1000, b"\xff" * 70_000, ["frag", "", "ments"], b"\x00" * MESSAGE_LIMIT_BYTES):
            await client.send(message)
            assert await client.recv() == ("fragments" if isinstance(message, list) else message)


async def test_a_client_that_sends_without_reading(serve, echo, dial, until, masked):
    """Cannot make the server hold more than the backlog's limit: it is sent away."""
    echo.terms = TransportTerms(message_limit_bytes=MESSAGE_LIMIT_BYTES, close_timeout=0.05)
    served = await serve(echo)
    wire = await dial(served.port)
    await wire.handshake()
    wire.writer.transport.pause_reading()
    message = masked(0x82, bytes(MESSAGE_LIMIT_BYTES))
    for _ in range(BACKLOG_LIMIT_BYTES // MESSAGE_LIMIT_BYTES + 2):
        wire.raw(message)
    await until(served.idle)


async def test_a_client_that_catches_up(serve, echo, dial, masked):
    """May go on: what counts is what waits at one time."""
    echo.terms = TransportTerms(message_limit_bytes=MESSAGE_LIMIT_BYTES)
    served = await serve(echo)
    wire = await dial(served.port)
    await wire.handshake()
    # Two at once, so that the second comes while the client is behind.
    pair = masked(0x82, bytes(MESSAGE_LIMIT_BYTES)) * 2
    for _ in range(BACKLOG_LIMIT_BYTES // MESSAGE_LIMIT_BYTES + 1):
        wire.raw(pair)
        for _ in range(2):
            assert await wire.frame() == (0x82, bytes(MESSAGE_LIMIT_BYTES))


async def test_a_stopping_server(serve, echo, dial):
    """Is "going away" (RFC 6455, section 7.4.1)."""
    served = await serve(echo)
    wire = await dial(served.port)
    await wire.handshake()
    (connection,) = served.state.connections
    connection.shutdown()
    assert await wire.closing() == (1001, "server is stopping")
    wire.hang_up()
