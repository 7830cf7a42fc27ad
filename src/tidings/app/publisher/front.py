"""Where calls come in: checked in the caller's thread, and handed to the engine of this process.

Both publishers stand on it; they differ only in how they wait.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from msgspec import Struct

from tidings.app.publisher import lifetimes
from tidings.app.publisher.destination import Destination
from tidings.app.publisher.engine import Engine, abandon, closed
from tidings.app.publisher.orders import Counts, Order, Orders, not_sent, unknown, when_settled
from tidings.channels import names
from tidings.clock import SystemClock
from tidings.errors import BadRequest, LimitExceeded, TidingsError
from tidings.observability.throttle import Throttle
from tidings.wire import payloads

VERDICT = 0.5
"""Seconds beyond its timeout that a call waits to hear whether what is under way was published."""

_log = logging.getLogger("tidings.publisher")


class Statistics(Struct, frozen=True):
    """A publisher in this process: calls that wait, calls under way, and what has become of the others."""

    waiting: int = 0
    under_way: int = 0
    published: int = 0
    failed: int = 0


class Undelivered(Struct, frozen=True):
    """What a publisher had accepted, and was not published when it was closed; perhaps: see its `error`."""

    channels: tuple[str, ...]
    data: bytes
    error: TidingsError


class Front:
    """Makes orders of calls. Bounds are the queue's. Raises `ValueError` for numbers that make no sense."""

    def __init__(self, destination: Destination, *, timeout: float, queue_limit: int, queue_limit_bytes: int) -> None:
        if not (0 < timeout < math.inf and queue_limit > 0 and queue_limit_bytes > 0):
            raise ValueError("timeout, queue_limit and queue_limit_bytes are above zero, and finite")
        self.destination = destination
        self.timeout = timeout
        self._limits = (queue_limit, queue_limit_bytes)
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._is_closed = False
        self._published = self._failed = 0
        self._throttle: Throttle[BaseException] = Throttle(SystemClock())
        lifetimes.FORKING.add(self)

    def forked(self) -> None:
        self._lock = threading.Lock()
        self._engine = None
        self._published = self._failed = 0
        self._throttle = Throttle(SystemClock())

    # Orders.

    def order(
        self,
        channels: Iterable[str],
        data: object,
        *,
        tags: Mapping[str, str],
        idempotency_key: str,
        skip_history: bool,
        timeout: float | None,
        is_broadcast: bool = False,
    ) -> Order:
        """Raises `BadRequest` for what cannot be published whoever is asked, `ValueError` for a negative timeout."""
        timeout = self.timeout if timeout is None else timeout
        if not 0 <= timeout < math.inf:
            raise ValueError("a timeout is not negative, and finite")
        for channel in (channels := tuple(channels)):
            if not isinstance(channel, str):
                raise TypeError(f"a channel is named by a text, and not by {type(channel).__name__}")
            if not names.is_well_formed(channel):
                raise BadRequest("channel: a name has 1 to 255 printable ASCII characters")
        encoded = payloads.encode(data)
        if not encoded:
            raise BadRequest("data is missing")
        if any(not isinstance(text, str) for pair in tags.items() for text in pair):
            raise BadRequest("tags: names and values are texts")
        return Order(
            channels,
            encoded,
            dict(tags),
            idempotency_key,
            skip_history,
            is_broadcast,
            timeout,
            time.monotonic() + timeout,
            threading.get_ident(),
        )

    def broadcast(
        self,
        channels: Iterable[str],
        data: object,
        *,
        tags: Mapping[str, str],
        idempotency_key: str,
        skip_history: bool,
        timeout: float | None,
    ) -> Order:
        """The same for many channels. Raises `TypeError` for a single text, which would be one channel per letter."""
        if isinstance(channels, str):
            raise TypeError("broadcast takes a list of channels; use publish for a single one")
        if not (channels := tuple(channels)):
            raise BadRequest("channels: there is none")
        return self.order(
            channels,
            data,
            tags=tags,
            idempotency_key=idempotency_key,
            skip_history=skip_history,
            timeout=timeout,
            is_broadcast=True,
        )

    def hand_over_now(self, order: Order) -> Future[Any]:
        """Have an order carried out for a caller who does not wait. Raises `LimitExceeded` where there is no room."""
        orders = self._orders()
        if (room := orders.put(order)) is not None:
            orders.give_up(room)
            raise self._full()
        order.future.add_done_callback(self._note)
        order.future.add_done_callback(self._complain)
        return order.future

    def wait_for(self, order: Order) -> Any:
        """Have an order carried out, and wait for what becomes of it."""
        self.require_elsewhere()
        orders = self._orders()
        while (room := orders.put(order)) is not None:
            try:
                room.result(order.remaining)
            except TimeoutError:
                raise self._full() from None
            finally:
                orders.give_up(room)
        order.future.add_done_callback(self._note)
        try:
            for pause in (order.remaining, VERDICT):
                with suppress(TimeoutError):
                    return order.future.result(pause)
                self._withdraw(orders, order)
        except BaseException:  # Ctrl-C: what waits still is not wanted any more.
            order.future.cancel()
            raise
        raise unknown(f"no answer within {order.timeout:g} s")

    async def await_for(self, order: Order) -> Any:
        """The same for a coroutine, whichever loop it is in. Cancelled, it takes back what waits still."""
        orders = self._orders()
        while (room := orders.put(order)) is not None:
            try:
                async with asyncio.timeout(order.remaining):
                    await asyncio.wrap_future(room)
            except TimeoutError:
                raise self._full() from None
            finally:
                orders.give_up(room)
        order.future.add_done_callback(self._note)
        waiting = asyncio.wrap_future(order.future)
        try:
            for pause in (order.remaining, VERDICT):
                await asyncio.wait([waiting], timeout=pause)
                if waiting.done():
                    return waiting.result()
                self._withdraw(orders, order)
        finally:
            waiting.cancel()
        raise unknown(f"no answer within {order.timeout:g} s")

    # The end.

    def unsettled(self) -> list[Order]:
        """What this process has accepted and not settled."""
        return [] if (engine := self._own_engine()) is None else engine.orders.unsettled()

    def close(self, timeout: float) -> list[Undelivered]:
        """Accept nothing more, and answer what could not be published within `timeout` seconds."""
        self.require_elsewhere()
        with self._lock:
            self._is_closed = True
        if (engine := self._own_engine()) is None:
            return []
        engine.orders.close(closed())
        orders = engine.orders.unsettled()
        with suppress(TimeoutError):
            when_settled(orders).result(timeout)
        late = engine.orders.unsettled()
        for order in late:
            abandon(engine.orders, order)
        engine.close()
        undelivered = [
            Undelivered(order.channels, order.data, error)
            for order in late
            if not order.future.cancelled() and isinstance(error := order.future.exception(), TidingsError)
        ]
        with self._lock:
            held_back = list(self._throttle.rest())
        _say(held_back)
        if undelivered:
            _log.warning("%d publications were not delivered before the publisher was closed.", len(undelivered))
        return undelivered

    def require_elsewhere(self) -> None:
        """Raise `RuntimeError` in the publisher's own thread, which would wait for itself."""
        if self._engine is not None and self._engine.is_here:
            raise RuntimeError("this is a callback of the publisher's own thread; publish_soon() does not wait in it")

    def statistics(self) -> Statistics:
        engine = self._own_engine()
        counts = engine.orders.counts() if engine is not None else Counts(0, 0)
        return Statistics(counts.waiting, counts.under_way, self._published, self._failed)

    # Private steps.

    def _own_engine(self) -> Engine | None:
        """The engine of this process, if it has one. Some servers fork without a word to Python, hence the question."""
        engine = self._engine
        return engine if engine is not None and engine.is_ours else None

    def _orders(self) -> Orders:
        engine = self._own_engine()
        if engine is None:
            with self._lock:
                engine = self._own_engine() or self._begin()
        return engine.orders

    def _begin(self) -> Engine:
        if self._is_closed:
            raise closed()
        engine = self._engine = Engine(self.destination.make_carrier, Orders(*self._limits))
        weakref.finalize(self, engine.close_soon).atexit = False
        return engine

    def _withdraw(self, orders: Orders, order: Order) -> None:
        """Raise that it was not published, where that can still be seen to."""
        if orders.withdraw(order):
            order.settle(error := not_sent(order, "earlier ones are under way"))
            raise error

    def _full(self) -> TidingsError:
        return LimitExceeded(
            f"{self._limits[0]} publications, or {self._limits[1]} bytes, wait already", temporary=True
        )

    def _note(self, future: Future[Any]) -> None:
        if future.cancelled():
            return
        with self._lock:
            if future.exception() is None:
                self._published += 1
            else:
                self._failed += 1

    def _complain(self, future: Future[Any]) -> None:
        """Nobody may be looking at the future of a call that did not wait."""
        if not future.cancelled() and (error := future.exception()) is not None:
            with self._lock:
                said = list(self._throttle.take("failed", error))
            _say(said)


def _say(failures: Iterable[tuple[BaseException, int]]) -> None:
    for newest, suppressed in failures:
        more = f" ({suppressed} more before it)" if suppressed else ""
        _log.warning("A publication failed: %s%s", newest, more)
