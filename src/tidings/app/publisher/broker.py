"""Publishing through a broker, as a node does: with its envelopes, its scripts and the options of the namespaces.

It joins nobody and subscribes to nothing. Calls are made one after the other without waiting for each other, so many of
them share a round trip; a broker that is away holds each up for as long as it would a node's.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

from tidings.app import build
from tidings.app.publisher.carrier import BATCH, BATCH_BYTES
from tidings.app.publisher.orders import Order, Orders
from tidings.app.publishing import publish_through
from tidings.app.settings import Settings
from tidings.brokers.base import NO_GUARD, Guard
from tidings.channels.hub import Hub
from tidings.channels.namespaces import Namespaces
from tidings.channels.options import ChannelOptions
from tidings.channels.topic import Audience
from tidings.clock import SystemClock
from tidings.errors import BrokerUnavailable, InternalError, TidingsError
from tidings.hooks import Hooks
from tidings.model import StreamPosition


class BrokerCarrier:
    """A `Carrier` to the broker of these settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, orders: Orders) -> None:
        settings, clock = self._settings, SystemClock()
        broker = build.broker(settings, clock)
        namespaces = Namespaces(settings.channels, settings.namespaces)
        hub: Hub[Any] = Hub(broker, namespaces, _nobody_listens, clock=clock, hooks=Hooks())
        starting = asyncio.create_task(_start(hub))
        try:
            while True:
                for order in await orders.take(BATCH, BATCH_BYTES):
                    task = asyncio.create_task(_carry(hub, order))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        finally:
            for task in (left := {starting, *self._tasks}):
                task.cancel()
            await asyncio.wait(left)
            await hub.stop()


async def _start(hub: Hub[Any]) -> None:
    # A broker that is away is connected to as soon as it is there; calls wait for it, and say why.
    with suppress(BrokerUnavailable):
        await hub.start()


async def _carry(hub: Hub[Any], order: Order) -> None:
    try:
        order.settle(await _publish(hub, order))
    except TidingsError as error:
        order.settle(error)
    except Exception as error:
        order.settle(InternalError(f"{type(error).__name__}: {error}", temporary=False))


async def _publish(hub: Hub[Any], order: Order) -> list[StreamPosition]:
    """To all channels, begun in their order; then the first failure is raised."""
    publish = partial(
        publish_through,
        hub,
        data=order.data,
        tags=order.tags,
        guard=Guard(idempotency_key=order.idempotency_key) if order.idempotency_key else NO_GUARD,
        skip_history=order.skip_history,
    )
    if len(order.channels) == 1:
        return [(await publish(order.channels[0])).position]
    outcomes = await asyncio.gather(*map(publish, order.channels), return_exceptions=True)
    positions = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        positions.append(outcome.position)
    return positions


def _nobody_listens(channel: str, options: ChannelOptions) -> Audience[Any]:
    raise InternalError("a publisher subscribes to nothing")
