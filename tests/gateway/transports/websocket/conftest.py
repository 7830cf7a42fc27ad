"""A house with a port behind which our transport stands at once: frames are spoken without a handshake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tidings.gateway.transports.base import Transport, TransportTerms
from tidings.gateway.transports.handshake import Agreement
from tidings.gateway.transports.websocket import WebSocketTransport
from tidings.wire.centrifuge.json import JSON

Until = Callable[[Callable[[], object]], Awaitable[None]]
Dial = Callable[..., Awaitable[Any]]
# The client's end of a connection, and the peer at ours.
Ends = tuple[Any, Any]
Enter = Callable[[], Awaitable[Ends]]
IsOver = Callable[[Any, Any], Awaitable[tuple[int, str]]]


class House:
    """A port, what holds for the connections to it, and who received them."""

    def __init__(self, peer: Callable[[Transport], Any]) -> None:
        self.agreement = Agreement(JSON)
        # A timeout so long that no test passes because the time is up.
        self.terms = TransportTerms(close_timeout=60.0)
        self.extensions: Callable[[], list[Any]] = list
        self.peer = peer
        self.peers: list[Any] = []
        self.connections: set[Any] = set()
        self.port = 0


class Door(asyncio.Protocol):
    """What stands where a server's protocol stood before the take-over."""

    def __init__(self, house: House) -> None:
        self.house = house

    def connection_made(self, transport: asyncio.Transport) -> None:
        house = self.house
        rules = ServerProtocol(state=OPEN, max_size=house.terms.message_limit_bytes)
        rules.extensions = house.extensions()
        ours = WebSocketTransport(transport, rules, house.agreement, house.terms)
        house.peers.append(house.peer(ours))
        ours.open(house.peers[-1], house.connections)


@pytest.fixture
async def house(Recorder: Any, until: Until) -> AsyncIterator[House]:
    house = House(Recorder)
    server = await asyncio.get_running_loop().create_server(lambda: Door(house), "127.0.0.1", 0)
    house.port = server.sockets[0].getsockname()[1]
    yield house
    server.close()
    for connection in list(house.connections):
        connection.abort()
    await until(lambda: not house.connections)


@pytest.fixture
async def enter(house: House, dial: Dial, until: Until) -> Enter:
    """Opens a connection: the client's end and the peer at ours."""

    async def enter() -> Ends:
        known = len(house.peers)
        wire = await dial(house.port)
        await until(lambda: len(house.peers) > known)
        return wire, house.peers[-1]

    return enter


@pytest.fixture
async def entered(enter: Enter) -> Ends:
    return await enter()


@pytest.fixture
async def wire(entered: Ends) -> Any:
    return entered[0]


@pytest.fixture
async def peer(entered: Ends) -> Any:
    return entered[1]


@pytest.fixture
async def secured(house: House, dial: Dial, tls: Any, until: Until) -> AsyncIterator[Ends]:
    """A connection through TLS: the client's end and the peer at ours."""
    server = await asyncio.get_running_loop().create_server(lambda: Door(house), "127.0.0.1", 0, ssl=tls[0])
    wire = await dial(server.sockets[0].getsockname()[1], ssl=tls[1])
    await until(lambda: house.peers)
    yield wire, house.peers[-1]
    server.close()


@pytest.fixture
def is_over(house: House, until: Until) -> IsOver:
    """Waits until the stream has ended, on our side without the client's help; what the peer was told."""

    async def is_over(wire: Any, peer: Any) -> tuple[int, str]:
        assert await wire.ended() == b""
        await until(lambda: peer.transport not in house.connections)
        assert len(peer.verdicts) == 1
        return peer.verdicts[0]

    return is_over


@pytest.fixture
def refused(is_over: IsOver) -> Callable[..., Awaitable[None]]:
    """Waits for a close frame with this code and the end of the stream; nothing was received.

    The peer knows at once, although the server waits for the client to end the stream too.
    """

    async def refused(wire: Any, peer: Any, code: int) -> None:
        closing = await wire.closing()
        assert closing[0] == code
        assert await wire.ended() == b""
        assert peer.verdicts == [closing]
        wire.hang_up()
        assert await is_over(wire, peer) == closing
        assert peer.received == []

    return refused
