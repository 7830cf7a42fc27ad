"""A back end that publishes without a pause, through one node after another, while things happen to them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

import httpx2
from tests.integration.system import PATIENCE, BackEnd, eventually
from tests.soak.listener import Listener

from tidings.errors import TidingsError
from tidings.testing import Recorder, TidingsNode
from tidings.testing.delivery import stamped

INTERVAL = 0.01


class Publishing:
    """Publishes in `channels`, in turn, for as long as the block lasts; what becomes of each is noted.

    `nodes` may be replaced meanwhile.
    """

    def __init__(
        self, backend: BackEnd, nodes: Sequence[TidingsNode], recorder: Recorder, channels: Sequence[str]
    ) -> None:
        self.nodes = nodes
        self.acknowledged = 0
        self.failed = 0
        self._backend = backend
        self._channels = channels
        self._number = 0
        self._publish = recorder.publisher(self._call)
        self._over = asyncio.Event()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._go_on(), name="publishing")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Begin no more, and wait until what was begun has an outcome. Repeating it is harmless."""
        self._over.set()
        await self._task

    async def more(self, count: int) -> None:
        """Wait until so many more are acknowledged."""
        wanted = self.acknowledged + count
        async with asyncio.timeout(2 * PATIENCE):
            while self.acknowledged < wanted:
                self._changed.clear()
                await self._changed.wait()

    async def until_heard(self, listeners: Sequence[Listener]) -> None:
        """Wait until every listener has all there is in every channel that keeps a history."""
        for channel in self._channels:
            top = await self._backend.call(self.nodes[0], "history", channel=channel, limit=0)
            for listener in listeners:
                await eventually(
                    lambda listener=listener, channel=channel, top=top: listener.has_reached(
                        channel, top.get("offset", 0), top["epoch"]
                    ),
                    f"{listener.name} has everything of {channel}",
                )

    async def _go_on(self) -> None:
        """Not more than ten at a time wait, so that an outage is no flood."""
        room = asyncio.Semaphore(10)
        async with asyncio.TaskGroup() as group:
            while not self._over.is_set():
                await room.acquire()
                self._number += 1
                group.create_task(self._attempt(self._number)).add_done_callback(lambda _: room.release())
                await asyncio.sleep(INTERVAL)

    async def _attempt(self, number: int) -> None:
        channel = self._channels[number % len(self._channels)]
        try:
            await self._publish(channel, stamped(f"{channel}-{number}", n=number))
            self.acknowledged += 1
        except (TidingsError, httpx2.HTTPError):
            self.failed += 1
        self._changed.set()

    async def _call(self, channel: str, data: object) -> object:
        return await self._backend.publish(self.nodes[self._number % len(self.nodes)], channel, data)
