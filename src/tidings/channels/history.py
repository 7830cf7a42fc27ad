"""The streams of channels, as the broker keeps them."""

from __future__ import annotations

import asyncio

from tidings.brokers.base import Accepted, Broker, Guard, KeepsHistory, Page, Retention
from tidings.errors import NotAvailable
from tidings.model import Publication


class History:
    """Reads and appends. Equal reads that overlap in time share one call to the broker.

    Every method raises `NotAvailable` where the broker keeps no history, and `BrokerUnavailable` when it is away.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker if isinstance(broker, KeepsHistory) else None
        self._reads: dict[tuple[str, str, int | None, int | None, bool], asyncio.Task[Page]] = {}

    async def append(self, channel: str, publication: Publication, retention: Retention, guard: Guard) -> Accepted:
        return await self._keeper().append(channel, publication, retention, guard=guard)

    async def read(
        self,
        channel: str,
        retention: Retention,
        *,
        since: int | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Page:
        return await self._keeper().read(channel, retention, since=since, limit=limit, reverse=reverse)

    async def read_shared(
        self,
        channel: str,
        retention: Retention,
        epoch: str,
        *,
        since: int | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Page:
        """Read, or join a read of the same that is under way.

        Joined reads may have begun earlier than the call; `epoch`, the one that the caller follows, keeps a read from
        before a change of epoch apart from one after it. Cancelling one of several callers leaves the read to the
        others.
        """
        key = (channel, epoch, since, limit, reverse)
        read = self._reads.get(key)
        if read is None:
            call = self.read(channel, retention, since=since, limit=limit, reverse=reverse)
            read = self._reads[key] = asyncio.get_running_loop().create_task(call, name=f"read of {channel}")
            read.add_done_callback(lambda _: self._reads.pop(key))
        return await asyncio.shield(read)

    async def remove(self, channel: str) -> None:
        await self._keeper().remove(channel)

    def _keeper(self) -> KeepsHistory:
        if self._broker is None:
            raise NotAvailable("the broker keeps no history")
        return self._broker
