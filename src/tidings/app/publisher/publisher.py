"""The publisher for code that waits by blocking: threads, Celery's tasks, Django's views, scripts, notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Self, cast

from tidings.app.publisher.front import Undelivered
from tidings.app.publisher.orders import when_settled
from tidings.app.publisher.publishing import Publishing, late
from tidings.model import StreamPosition


class Publisher(Publishing):
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
        timeout = self._patience(timeout)
        try:
            when_settled(orders).result(timeout)
        except TimeoutError:
            raise late(timeout) from None

    def close(self, timeout: float | None = None) -> list[Undelivered]:
        """Publish what was accepted, for at most `timeout` seconds, then let go of everything.

        Answers what could not be published by then, and logs how many those are. Calls that still wait raise, as do
        later ones. Repeating it is harmless.
        """
        return self._front.close(self._patience(timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
