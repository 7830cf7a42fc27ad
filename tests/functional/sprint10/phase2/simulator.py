"""The producer of the market-data application: what TickStockPL tells, by the HTTP API of a node."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from itertools import islice
from typing import Any

from tests.world.backend import Backend

from tidings.testing.simulators import Backtests, Health, Market, Planned, play
from tidings.testing.simulators.market import PATTERNS

KEPT = {"allow_subscribe_for_client": True, "history_size": 1000, "history_ttl": 300.0, "force_recovery": True}
NAMESPACES = {
    "patterns": {**KEPT, "presence": True},
    "backtests": KEPT,
    "health": KEPT,
}

Event = Planned[Any]


def channel_of(pattern: str) -> str:
    """Where alerts of a pattern go, so that a user subscribes to the patterns that concern him."""
    return f"patterns:{pattern.lower().replace(' ', '_')}"


ALL_PATTERNS = [channel_of(pattern) for pattern in PATTERNS]


class TickStockPLSimulator:
    """Makes events, always the same ones for the same seed, and publishes them."""

    def __init__(self, backend: Backend, *, seed: int = 10) -> None:
        self._backend = backend
        self._seed = seed

    def patterns(self, count: int) -> list[Event]:
        """So many alerts, each in the channel of its pattern."""
        return [
            Planned(at=event.at, channel=channel_of(event.data.pattern), data=event.data)
            for event in islice(Market(seed=self._seed).events(), count)
        ]

    def backtest(self, number: int) -> list[Event]:
        """The progress of a backtest, and its result."""
        return list(Backtests(seed=self._seed, channel=f"backtests:{number}").job(number))

    def health(self, count: int) -> list[Event]:
        """So many updates of the services."""
        return list(islice(Health(seed=self._seed, channel="health:all").events(), count))

    async def publish(self, events: Iterable[Event]) -> int:
        """Publish them as fast as the node takes them, one after another."""

        async def publish(channel: str, data: Any) -> None:
            await asyncio.to_thread(self._backend.publish, channel, data)

        return await play(publish, events, speed=math.inf)
