"""Which channels this node has asked the broker for."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tidings.brokers.base import Broker
from tidings.errors import BrokerUnavailable


class BrokerSubscriptions:
    """Subscribes and unsubscribes at the broker, strictly in turn for each channel.

    Somebody may subscribe while the channel's last subscriber is still being signed off; the two must not overtake
    each other.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._wanted: dict[str, asyncio.Task[None] | None] = {}
        """The channels asked for, and the asking as long as it takes or if it failed; None when we have the channel."""
        self._leaving: dict[str, asyncio.Task[None]] = {}

    def want(self, channel: str) -> None:
        """Begin to ask for a channel."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._subscribe(channel, self._leaving.get(channel)), name=f"subscribe to {channel}")
        self._wanted[channel] = task
        task.add_done_callback(lambda task: self._settle(channel, task))

    async def wait_for(self, channel: str) -> None:
        """Wait until publications of the channel arrive. Raises `BrokerUnavailable`. Cancelling is harmless."""
        task = self._wanted[channel]
        if task is not None:
            await asyncio.shield(task)

    def unwant(self, channel: str) -> None:
        """Begin to stop asking."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._unsubscribe(channel, self._wanted.pop(channel)), name=f"unsubscribe {channel}")
        self._leaving[channel] = task
        task.add_done_callback(lambda task: self._forget(channel, task))

    async def wait_idle(self) -> None:
        """Wait until the broker has been told everything. Cancelling stops the waiting only."""
        while pending := [
            task for task in (*self._wanted.values(), *self._leaving.values()) if task and not task.done()
        ]:
            await asyncio.wait(pending)

    async def _subscribe(self, channel: str, leaving: asyncio.Task[None] | None) -> None:
        if leaving is not None:
            await asyncio.wait([leaving])
        await self._broker.subscribe(channel)

    async def _unsubscribe(self, channel: str, wanted: asyncio.Task[None] | None) -> None:
        if wanted is not None:
            await asyncio.wait([wanted])
        # A broker that is away forgets by itself, and is told anew what is wanted when it is back.
        with suppress(BrokerUnavailable):
            await self._broker.unsubscribe(channel)

    def _settle(self, channel: str, task: asyncio.Task[None]) -> None:
        # A failure belongs to those who wait in `wait_for`; when all of them have gone there is nobody to tell.
        failed = task.cancelled() or task.exception() is not None
        if not failed and self._wanted.get(channel) is task:
            self._wanted[channel] = None

    def _forget(self, channel: str, task: asyncio.Task[None]) -> None:
        if self._leaving.get(channel) is task:
            del self._leaving[channel]
