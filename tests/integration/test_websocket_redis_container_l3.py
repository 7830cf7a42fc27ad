"""WebSocket over Redis pub/sub with the Redis in a container, as the requirement has it.

Collected only where there are an engine, testcontainers and the image: see `conftest.py`.
"""

from __future__ import annotations

import asyncio

import pytest
from tests.integration.system import SETTINGS, BackEnd, client
from tests.testing.services.containers import RedisInContainer

from tidings.testing import TidingsCluster

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(180)]


async def test_testcontainers_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes on one Redis in a container; the container is killed and comes back, and the connections stay."""
    for name in RedisInContainer.variables:
        monkeypatch.delenv(name, raising=False)
    async with (
        RedisInContainer() as redis,
        TidingsCluster(2, SETTINGS, broker=redis) as cluster,
        BackEnd() as backend,
        client(cluster.nodes[0], "ada") as ada,
    ):
        news = await ada.subscribe("kept:container")
        await backend.publish(cluster.nodes[1], "kept:container", "hello")
        assert (await news.receive()).data == "hello"
        await asyncio.to_thread(redis.kill)
        assert (await backend.health(cluster.nodes[0]))[0] == 503
        await asyncio.to_thread(redis.restart)
        await asyncio.to_thread(cluster.settle)
        live = await ada.subscribe("live:container")
        await backend.publish(cluster.nodes[1], "live:container", "back again")
        assert (await live.receive()).data == "back again"
