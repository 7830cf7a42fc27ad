"""Simulators played into a real node, over its HTTP API: all of it arrives, in order."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import msgspec
import pytest

from tidings.testing.services import TidingsNode
from tidings.testing.simulators import Backtests, Game, Market, Music, Person, Planned, merge, play, within

pytestmark = [pytest.mark.world, pytest.mark.L3]

KEY = "key of the test"
KEEPS = {"history_size": 1000, "history_ttl": 60.0}


@pytest.fixture(scope="module")
def node() -> Iterator[TidingsNode]:
    with TidingsNode({"api": {"key": KEY}, "channels": KEEPS}) as node:
        yield node


class Api:
    """The node's HTTP API, with what a simulator needs of it."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def publish(self, channel: str, data: Any) -> None:
        await self._ask("publish", {"channel": channel, "data": data})

    async def history(self, channel: str) -> list[Any]:
        result = await self._ask("history", {"channel": channel, "limit": -1})
        return [publication["data"] for publication in result["publications"]]

    async def _ask(self, method: str, request: dict[str, Any]) -> Any:
        answer = (await self._client.post(f"/api/{method}", json=request)).raise_for_status().json()
        assert "error" not in answer, answer
        return answer["result"]


@pytest.fixture
async def api(node: TidingsNode) -> AsyncIterator[Api]:
    async with httpx2.AsyncClient(base_url=node.url, headers={"X-API-Key": KEY}) as client:
        yield Api(client)


def everything() -> list[Planned[Any]]:
    """Some seconds of everything at once: in five channels, and in some personal ones."""
    simulators = [
        Market(seed=1, rate=10.0, channel="patterns"),
        Backtests(seed=1, rate=1.0, duration=3.0),
        Music(seed=1, rate=10.0),
        Game(seed=1, rate=5.0),
        Person(seed=1, rate=2.0),
    ]
    return list(within(merge(*(simulator.events() for simulator in simulators)), 10.0))


async def test_all_of_it_arrives_in_order(api: Api) -> None:
    """In each channel what was planned for it, as fast as the node takes it."""
    events = everything()
    assert await play(api.publish, events, speed=math.inf) == len(events) > 200
    channels = {event.channel for event in events}
    assert len(channels) > 10
    for channel in channels:
        planned = msgspec.json.encode([event.data for event in events if event.channel == channel])
        assert await api.history(channel) == msgspec.json.decode(planned)
