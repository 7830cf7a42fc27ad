"""The publisher for code that waits by blocking: threads, Celery's tasks, Django's views, scripts, notebooks."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from tidings.app.publisher.destination import destination
from tidings.app.publisher.front import Front, Statistics, Undelivered
from tidings.app.publisher.orders import when_settled
from tidings.errors import InternalError
from tidings.model import StreamPosition

if TYPE_CHECKING:
    from tidings.app.settings import Settings

TIMEOUT = 5.0
QUEUE_LIMIT = 10_000
QUEUE_LIMIT_BYTES = 16 * 2**20


class Publisher:
    """Publishes from any thread, through a server's HTTP API or through a broker.

    >>> with Publisher("http://host:8000", key="…") as publisher:
    ...     publisher.publish("orders:42", {"status": "shipped"})

    `url` is a server, with `key` for its API (by default what TIDINGS_API__KEY says), or a broker: redis://… and its
    variants, nats://…. Through a broker it publishes as a node would, so it has to know the options of the channels:
    `settings` are what the servers have, as a file, a mapping or `Settings`; without them they are read as
    `tidings serve` reads them.

    `timeout` is how long a call waits at most, in seconds. `verify` is a file with the certificates that an https://
    server is verified by, or a context; without it, the system's. `trust_env` is whether a proxy that the environment
    names is used. At most `queue_limit` publications, of `queue_limit_bytes` together, are waiting or under way.

    It has a thread and a loop of its own, begun at the first call. It may be shared by all threads, be used where a
    loop is running, and be made before a fork: the child begins anew, and leaves the parent's to the parent.

    Raises `SettingsError`, `TypeError` and `ValueError` for what cannot be, and connects to nothing yet.
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
        return f"<Publisher to {self._front.destination.name}>"

    def publish(
        self,
        channel: str,
        data: object,
        *,
        tags: Mapping[str, str] = {},
        idempotency_key: str = "",
        skip_history: bool = False,
        timeout: float | None = None,
    ) -> StreamPosition:
        """Publish to a channel, and return where in its stream; the zero position in a channel without history.

        The broker has the publication when this returns. `data` is anything that JSON can say, or bytes that are
        encoded already. Two calls with the same `idempotency_key` within five minutes publish once; with a key, a call
        whose outcome is unknown is repeated by itself.

        Raises `BadRequest` at once for what cannot be published. Otherwise a `TidingsError`, which is temporary where
        the same call may succeed later; one that says "outcome unknown" may have been published.
        """
        order = self._front.order(
            (channel,),
            data,
            tags=tags,
            idempotency_key=idempotency_key,
            skip_history=skip_history,
            timeout=timeout,
        )
        return cast("StreamPosition", self._front.wait_for(order))

    def broadcast(
        self,
        channels: Iterable[str],
        data: object,
        *,
        tags: Mapping[str, str] = {},
        idempotency_key: str = "",
        skip_history: bool = False,
        timeout: float | None = None,
    ) -> list[StreamPosition]:
        """Publish the same to many channels. Where some fail, the others have it, and the first failure is raised."""
        order = self._front.broadcast(
            channels,
            data,
            tags=tags,
            idempotency_key=idempotency_key,
            skip_history=skip_history,
            timeout=timeout,
        )
        return cast("list[StreamPosition]", self._front.wait_for(order))

    def publish_soon(
        self,
        channel: str,
        data: object,
        *,
        tags: Mapping[str, str] = {},
        idempotency_key: str = "",
        skip_history: bool = False,
        timeout: float | None = None,
    ) -> Future[StreamPosition]:
        """Publish without waiting. The future has what `publish` returns or raises; a failure is logged as well.

        Calls of one thread are published in their order. Cancelling the future takes a publication back that waits
        still; what is added to it with `add_done_callback` runs in the publisher's thread, and must not wait.

        Raises `BadRequest`, and `LimitExceeded`, which is temporary, when the queue is full.
        """
        order = self._front.order(
            (channel,),
            data,
            tags=tags,
            idempotency_key=idempotency_key,
            skip_history=skip_history,
            timeout=timeout,
        )
        return self._front.hand_over_now(order)

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything accepted so far is published, or has failed.

        Raises a temporary `InternalError` when that takes longer than `timeout`, by default that of the publisher.
        """
        self._front.require_elsewhere()
        orders = self._front.unsettled()
        timeout = self._front.timeout if timeout is None else timeout
        try:
            when_settled(orders).result(timeout)
        except TimeoutError:
            raise late(timeout) from None

    def close(self, timeout: float | None = None) -> list[Undelivered]:
        """Publish what was accepted, for at most `timeout` seconds, then let go of everything.

        Answers what could not be published by then, and logs how many those are. Calls that still wait raise, as do
        later ones. Repeating it is harmless.
        """
        return self._front.close(self._front.timeout if timeout is None else timeout)

    def statistics(self) -> Statistics:
        """How many calls wait, are under way, were published and have failed in this process."""
        return self._front.statistics()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def late(timeout: float) -> InternalError:
    return InternalError(f"not everything is published after {timeout:g} s")
