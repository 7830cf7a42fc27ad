"""The publisher for coroutines. It works in a thread of its own as its twin does, so it belongs to no loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from tidings.app.publisher.destination import destination
from tidings.app.publisher.front import Front, Statistics, Undelivered
from tidings.app.publisher.orders import when_settled
from tidings.app.publisher.publisher import QUEUE_LIMIT, QUEUE_LIMIT_BYTES, TIMEOUT, late
from tidings.model import StreamPosition

if TYPE_CHECKING:
    from tidings.app.settings import Settings


class AsyncPublisher:
    """The `Publisher` for `await`: the same arguments, the same promises.

    >>> async with AsyncPublisher("http://host:8000", key="…") as publisher:
    ...     await publisher.publish("orders:42", {"status": "shipped"})

    One may be shared by several loops, and outlive them. Cancelling a call that waits for its turn takes it back;
    cancelling one that is under way leaves open whether it is published.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        settings: Settings | Mapping[str, Any] | Path | str | None = None,
        timeout: float = TIMEOUT,
        verify: ssl.SSLContext | Path | str | None = None,
        trust_env: bool = True,
        queue_limit: int = QUEUE_LIMIT,
        queue_limit_bytes: int = QUEUE_LIMIT_BYTES,
    ) -> None:
        self._front = Front(
            destination(
                url,
                key=key,
                settings=settings,
                verify=verify,
                trust_env=trust_env,
                timeout=timeout,
                queue_limit=queue_limit,
            ),
            timeout=timeout,
            queue_limit=queue_limit,
            queue_limit_bytes=queue_limit_bytes,
        )

    def __repr__(self) -> str:
        return f"<AsyncPublisher to {self._front.destination.name}>"

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
        timeout = self._front.timeout if timeout is None else timeout
        try:
            await asyncio.wait_for(settled, timeout)
        except TimeoutError:
            raise late(timeout) from None

    async def close(self, timeout: float | None = None) -> list[Undelivered]:
        """See `Publisher.close`. Cancelled, it goes on in the background."""
        return await asyncio.to_thread(self._front.close, self._front.timeout if timeout is None else timeout)

    def statistics(self) -> Statistics:
        """See `Publisher.statistics`."""
        return self._front.statistics()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()
