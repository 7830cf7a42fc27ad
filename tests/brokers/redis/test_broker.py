"""A broker whose server is not there."""

from __future__ import annotations

import asyncio

import pytest
from tests.gateway.town import Deaf

from tidings.brokers.redis.address import parse
from tidings.brokers.redis.broker import RedisBroker
from tidings.clock import SystemClock
from tidings.errors import BrokerUnavailable
from tidings.model import Publication

pytestmark = pytest.mark.shell

PATIENCE = 5.0


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
async def test_stopping_ends_what_waits(scheme: str) -> None:
    """At once, with one and the same error, though all of them would have waited much longer."""
    broker = RedisBroker(parse(f"{scheme}://127.0.0.1:1"), SystemClock(), publish_timeout=10 * PATIENCE)
    starting = asyncio.create_task(broker.start(Deaf()))
    await asyncio.sleep(0)
    waiting = [
        starting,
        asyncio.create_task(broker.publish("news", Publication(b"1"))),
        asyncio.create_task(broker.subscribe("news")),
        asyncio.create_task(broker.nodes()),
    ]
    for _ in range(5):
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await broker.stop()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [getattr(outcome, "message", outcome) for outcome in outcomes] == ["the broker is not running"] * 4
    assert {type(outcome) for outcome in outcomes} == {BrokerUnavailable}
