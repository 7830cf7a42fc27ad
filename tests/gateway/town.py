"""Several nodes in this process, over one memory backend as over one Redis, and with one clock.

>>> async with Town() as town:
...     ada, bob = await town.here.caller("ada"), await town.there.caller("bob")
...     await town.here.node.orders.disconnect("bob")
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from typing import Any, Self

from tests.gateway.house import House
from tests.gateway.wire import Caller, until

from tidings.brokers.memory import MemoryBackend, MemoryBroker
from tidings.clock import ManualClock
from tidings.model import ClientInfo, Publication

MakeBroker = Callable[[ManualClock, MemoryBackend], MemoryBroker]


class Town:
    """Two houses, with the same options. `make` makes the broker of `there`, where that is not an ordinary one."""

    def __init__(self, *, make: MakeBroker = MemoryBroker, **options: Any) -> None:
        self.clock = ManualClock()
        self.backend = MemoryBackend()
        self.here = House(broker=MemoryBroker(self.clock, self.backend), clock=self.clock, **options)
        self.broker = make(self.clock, self.backend)
        self.there = House(broker=self.broker, clock=self.clock, **options)

    @property
    def houses(self) -> tuple[House, House]:
        return self.here, self.there

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        for house in self.houses:
            await self._stack.enter_async_context(house)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    # What the backend knows.

    def clients(self, user: str) -> set[str]:
        """The connections of a user that are counted."""
        return self.backend.people.clients(user, self.clock.now())

    def shown(self, house: House) -> dict[str, bytes]:
        """What a node's connections are, for whoever looks from outside."""
        return self.backend.people.shown(house.node.id, self.clock.now())

    async def counted(self, user: str, *callers: Caller) -> None:
        """Wait until exactly these connections of a user are counted."""
        expected = {caller.connection.client_id for caller in callers}
        await until(lambda: self.clients(user) == expected)


class Deaf:
    """A node that hears everything and says nothing, as one that has just died does."""

    def on_publication(self, channel: str, publication: Publication, epoch: str) -> None: ...

    def on_join(self, channel: str, info: ClientInfo) -> None: ...

    def on_leave(self, channel: str, info: ClientInfo) -> None: ...

    def on_resumed(self, channels: Collection[str]) -> None: ...

    def on_interrupted(self, reason: str) -> None: ...

    def on_message(self, message: bytes) -> None: ...
