"""A thread with a loop of its own, in which a carrier publishes. It belongs to the process that made it.

No caller's loop ever meets this one: what callers hold are futures of `concurrent.futures`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress

from tidings.app.publisher import lifetimes
from tidings.app.publisher.carrier import MakeCarrier
from tidings.app.publisher.orders import Order, Orders, unknown, when_settled
from tidings.errors import InternalError, TidingsError

new_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop as new_loop
except ModuleNotFoundError:  # It is not for every system.
    new_loop = asyncio.SelectorEventLoop

JOIN_TIMEOUT = 2.0
"""Seconds for the thread to let go of its connections."""

PARK_LIMIT = 2.0
"""Seconds that a fork may take, until the thread goes on all the same."""

LINGER = 5.0
"""Seconds that a publisher which nobody has closed, and nobody can reach any more, goes on publishing."""

_log = logging.getLogger("tidings.publisher")


class Engine:
    """Runs at once. `pid` is the process it works in; in a child of that process it does nothing, and is left alone."""

    def __init__(self, make_carrier: MakeCarrier, orders: Orders) -> None:
        self.pid = os.getpid()
        self.orders = orders
        self._make_carrier = make_carrier
        # As servers have it, and not as the application's policy says: that is for loops of its own.
        self._loop = new_loop()
        self._ended = asyncio.Event()
        self._linger = 0.0
        self._thread = threading.Thread(target=self._run, name="tidings publisher", daemon=True)
        lifetimes.ENGINES.add(self)  # First, because the thread takes it out again when it ends.
        try:
            self._thread.start()
        except RuntimeError as error:  # The interpreter is about to end, or there are too many threads.
            lifetimes.ENGINES.discard(self)
            self._loop.close()
            raise InternalError(f"the publisher has no thread to work in: {error}") from error

    @property
    def is_here(self) -> bool:
        """Whether this is the thread that calls."""
        return threading.get_ident() == self._thread.ident

    @property
    def is_ours(self) -> bool:
        """Whether it works in this process, and not in the one that this was forked from."""
        return self.pid == os.getpid()

    def close(self) -> None:
        """Stop, whatever is under way, and wait a moment for the end. Repeating it is harmless."""
        self._end(linger=0.0)
        if self.is_ours and not self.is_here:
            self._thread.join(JOIN_TIMEOUT)

    def close_soon(self) -> None:
        """Stop as soon as what was accepted is settled. Takes no lock: garbage is collected at any moment."""
        self._end(linger=LINGER)

    def park(self, gate: threading.Event) -> threading.Event:
        """Have the thread stand still until the gate opens. Answers what says that it does."""
        parked = threading.Event()

        def stand_still() -> None:
            parked.set()
            gate.wait(PARK_LIMIT)

        with suppress(RuntimeError):  # The loop has ended.
            self._loop.call_soon_threadsafe(stand_still)
        return parked

    def _end(self, *, linger: float) -> None:
        if not self.is_ours:
            return
        self._linger = linger
        with suppress(RuntimeError):  # The loop has ended.
            self._loop.call_soon_threadsafe(self._ended.set)

    # In the thread.

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._work())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            lifetimes.ENGINES.discard(self)
            self._loop.close()

    async def _work(self) -> None:
        carrying = asyncio.create_task(self._carry())
        ending = asyncio.create_task(self._ended.wait())
        await asyncio.wait([carrying, ending], return_when=asyncio.FIRST_COMPLETED)
        self.orders.close(closed())
        if self._linger and not carrying.done():
            settled = asyncio.wrap_future(when_settled(self.orders.unsettled()))
            await asyncio.wait([carrying, settled], timeout=self._linger, return_when=asyncio.FIRST_COMPLETED)
            settled.cancel()
        for task in (carrying, ending):
            task.cancel()
        await asyncio.wait([carrying, ending], timeout=JOIN_TIMEOUT)
        for order in self.orders.unsettled():
            abandon(self.orders, order)

    async def _carry(self) -> None:
        try:
            await self._make_carrier().run(self.orders)
        except Exception as error:  # A fault of ours; nobody shall wait for a thread that is gone.
            _log.exception("The publisher has failed.")
            self.orders.close(InternalError(f"the publisher has failed: {error}", temporary=False))


def closed() -> TidingsError:
    """Why a publisher accepts nothing any more."""
    return TidingsError("the publisher is closed", temporary=False)


def abandon(orders: Orders, order: Order) -> None:
    """Give an order up that is not settled at the end, and say what can be said of it."""
    if orders.withdraw(order):
        order.settle(TidingsError("not published before the publisher was closed", temporary=True))
    else:
        order.settle(unknown("the publisher was closed"))
