"""The publisher for coroutines. It works in a thread of its own as its twin does, so it belongs to no loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Self, cast

from tidings.app.publisher.front import Undelivered
from tidings.app.publisher.orders import when_settled
from tidings.app.publisher.publishing import Publishing, late
from tidings.model import StreamPosition


class AsyncPublisher(Publishing):
    """The `Publisher` for `await`: the same arguments, the same promises.

    >>> async with AsyncPublisher("http://host:8000", key="…") as publisher:
    ...     await publisher.publish("orders:42", {"status": "shipped"})

    One may be shared by several loops, and outlive them. Cancelling a call that waits for its turn takes it back;
    cancelling one that is under way leaves open whether it is published.
    """

    async def publish(
        self,
        channel: str,
        data: object,
        *,
        tags: Mapping[str, str] = {},
        idempotency_key: str = "",
        skip_history: bool = False,
        timeout: float | None = None,
    ) -> StreamPosition:
        """See `Publisher.publish`."""
        order = self._front.order(
            (channel,),
            data,
            tags=tags,
            idempotency_key=idempotency_key,
            skip_history=skip_history,
            timeout=timeout,
        )
        return cast("StreamPosition", await self._front.await_for(order))

    async def broadcast(
        self,
        channels: Iterable[str],
        data: object,
        *,
        tags: Mapping[str, str] = {},
        idempotency_key: str = "",
        skip_history: bool = False,
        timeout: float | None = None,
    ) -> list[StreamPosition]:
        """See `Publisher.broadcast`."""
        order = self._front.broadcast(
            channels,
            data,
            tags=tags,
            idempotency_key=idempotency_key,
            skip_history=skip_history,
            timeout=timeout,
        )
        return cast("list[StreamPosition]", await self._front.await_for(order))

    async def flush(self, timeout: float | None = None) -> None:
        """See `Publisher.flush`. Cancelled, it stops waiting, and nothing else."""
        settled = asyncio.wrap_future(when_settled(self._front.unsettled()))
        timeout = self._patience(timeout)
        try:
            await asyncio.wait_for(settled, timeout)
        except TimeoutError:
            raise late(timeout) from None

    async def close(self, timeout: float | None = None) -> list[Undelivered]:
        """See `Publisher.close`. Cancelled, it goes on in the background."""
        return await asyncio.to_thread(self._front.close, self._patience(timeout))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()
