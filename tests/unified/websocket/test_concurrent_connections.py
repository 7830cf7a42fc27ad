"""Many connections per user: tabs and devices that live independently of one another.

The scenarios of the requirement, by its names; see docs/scenarios.md. The server is a process of its own, the clients
are a stock SDK with JWTs, the broadcaster uses the HTTP API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from centrifuge import DisconnectedContext
from tests.unified.websocket.concurrent import (
    ConcurrentConnectionManager,
    ConcurrentConnectionValidator,
    ConcurrentMessageBroadcaster,
    ConnectionLimitManager,
    eventually,
)
from tests.world.backend import KEY, SECRET, Backend
from tests.world.centrifuge_python.listener import Listener

from tidings.testing import FaultProxy, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

TABS = 5
LIMIT = 8
CHANNEL = "tabs:news"
SETTINGS = {
    "auth": {"hmac_secret": SECRET},
    "api": {"key": KEY},
    "client": {"user_connection_limit": LIMIT},
    "channels": {
        "namespaces": {"tabs": {"allow_subscribe_for_client": True, "presence": True}},
    },
}


@pytest.fixture
def server() -> Iterator[TidingsNode]:
    with TidingsNode(SETTINGS) as server:
        yield server


@pytest.fixture
def backend(server: TidingsNode) -> Iterator[Backend]:
    with Backend(server.url) as backend:
        yield backend


@pytest.fixture
def validator(server: TidingsNode, backend: Backend) -> ConcurrentConnectionValidator:
    return ConcurrentConnectionValidator(server, backend)


async def code_of_the_end(tab: Listener) -> int:
    return int((await tab.journal.skip_to(DisconnectedContext)).code)


async def test_same_user_opens_five_and_more_concurrent_connections(
    server: TidingsNode, validator: ConcurrentConnectionValidator
) -> None:
    """Each has an id of its own; they are one user to the server."""
    async with ConcurrentConnectionManager(server) as manager:
        tabs = [manager.tab("42") for _ in range(TABS + 1)]
        connected = await asyncio.gather(*(tab.connect() for tab in tabs))
        assert len({context.client for context in connected}) == TABS + 1
        node = validator.node()
        assert (node["num_clients"], node["num_users"]) == (TABS + 1, 1)


async def test_messages_are_broadcast_to_all_user_connections(server: TidingsNode, backend: Backend) -> None:
    """Every tab hears everything, in order and once, whether it subscribed itself or the server did."""
    async with ConcurrentConnectionManager(server) as manager:
        tabs = await manager.open("42", TABS)
        broadcaster = ConcurrentMessageBroadcaster(backend, CHANNEL)
        channels = await broadcaster.listen(tabs)
        messages = [{"n": number} for number in range(20)]
        await broadcaster.broadcast(*messages)
        assert await broadcaster.heard(channels, len(messages)) == [messages] * TABS
        assert all(channel.is_empty for channel in channels)


async def test_connection_limits_per_user_are_enforced(
    server: TidingsNode, validator: ConcurrentConnectionValidator
) -> None:
    """One too many is closed with 3504; other users, and a place that became free, are not affected."""
    async with ConcurrentConnectionManager(server) as manager:
        limits = ConnectionLimitManager(manager)
        tabs = await manager.open("42", LIMIT)
        assert await limits.refused("42", code_of_the_end) == 3504
        await manager.open("43", 1)
        await validator.expect_connections(LIMIT + 1)
        await manager.close(tabs[:1])
        await validator.expect_connections(LIMIT)
        await manager.open("42", 1)
        assert await limits.refused("42", code_of_the_end) == 3504


async def test_connections_have_independent_lifecycles(
    server: TidingsNode, backend: Backend, validator: ConcurrentConnectionValidator
) -> None:
    """Tabs come and go, subscribe and unsubscribe; each for itself."""
    async with ConcurrentConnectionManager(server) as manager:
        first, second, third = await manager.open("42", 3)
        broadcaster = ConcurrentMessageBroadcaster(backend, CHANNEL)
        one, two = await broadcaster.listen([first, second])
        await one.subscription.unsubscribe()
        await broadcaster.broadcast("second only")
        assert await two.publications(1) == ["second only"]
        await manager.close([second])
        (late,) = await broadcaster.listen([third])
        await broadcaster.broadcast("third only")
        assert await late.publications(1) == ["third only"]
        await validator.expect_connections(2)


async def test_one_connection_failure_does_not_affect_the_others(
    server: TidingsNode, backend: Backend, validator: ConcurrentConnectionValidator
) -> None:
    """A tab that vanishes without a word, and one that talks nonsense, are nobody else's trouble."""
    async with ConcurrentConnectionManager(server) as manager, FaultProxy(server.websocket) as proxy:
        tabs = await manager.open("42", TABS)
        broadcaster = ConcurrentMessageBroadcaster(backend, CHANNEL)
        channels = await broadcaster.listen(tabs)
        lost = manager.tab("42", through=proxy.url)
        await lost.connect()
        await validator.expect_connections(TABS + 1)
        proxy.cut()
        await validator.expect_connections(TABS)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"nonsense\r\n\r\n\xff\x00")
        await reader.read()
        writer.close()
        await broadcaster.broadcast("still here")
        assert await broadcaster.heard(channels, 1) == [["still here"]] * TABS


async def test_resources_are_cleaned_up_when_connections_close(
    server: TidingsNode, backend: Backend, validator: ConcurrentConnectionValidator
) -> None:
    """Connections, presence, channels and file descriptors return to where they were."""
    before = validator.open_files()
    async with ConcurrentConnectionManager(server) as manager:
        for _ in range(3):
            tabs = await manager.open("42", TABS)
            await ConcurrentMessageBroadcaster(backend, CHANNEL).listen(tabs)
            assert validator.present(CHANNEL) == TABS
            await manager.close(tabs)
            await validator.expect_connections(0)
        await eventually(lambda: validator.present(CHANNEL) == 0, what="nobody present")
        assert backend.call("channels")["channels"] == {}
        # The validator's own connection to the API may be one of them.
        await eventually(lambda: validator.open_files() <= before + 1, what="no file left open")
