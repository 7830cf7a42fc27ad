"""Who is in a channel: the leases that this node holds at the broker, and the word that is sent of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import ParamSpec

from tidings.brokers.base import Broker, KeepsPresence
from tidings.channels.errands import Errands
from tidings.channels.options import ChannelOptions
from tidings.errors import BrokerUnavailable, NotAvailable
from tidings.model import ClientInfo

P = ParamSpec("P")

RENEWALS = 100
"""How many leases are renewed side by side: one after another, many would run out before their turn came."""


class Presence:
    """Enters, renews and leaves for the subscribers of this node.

    Entering waits for the broker. Leaving, and telling others of either, happens by itself and in order; what cannot be
    told while the broker is away is not told, and a lease that cannot be given back runs out.
    """

    def __init__(self, broker: Broker, errands: Errands, lease: float) -> None:
        self._broker = broker
        self._keeper = broker if isinstance(broker, KeepsPresence) else None
        self._errands = errands
        self._lease = lease
        self._held: dict[tuple[str, str], ClientInfo] = {}

    async def enter(self, channel: str, options: ChannelOptions, info: ClientInfo) -> None:
        """Take a lease, where the channel has presence."""
        if options.presence:
            self._held[channel, info.client] = info
            # In turn: an earlier lease of the same client may be on its way back.
            await self._errands.run(channel, partial(self._leases().enter, channel, info, self._lease))

    def leave(self, channel: str, info: ClientInfo) -> None:
        """Give a lease back, where one is held."""
        if self._held.pop((channel, info.client), None) is not None:
            self._errands.add(channel, _forgiving(self._leases().leave, channel, info.client))

    def tell_join(self, channel: str, info: ClientInfo) -> None:
        self._errands.add(channel, _forgiving(self._broker.publish_join, channel, info))

    def tell_leave(self, channel: str, info: ClientInfo) -> None:
        self._errands.add(channel, _forgiving(self._broker.publish_leave, channel, info))

    async def renew(self) -> None:
        """Extend every lease that is held. Whoever left meanwhile stays away."""
        held = list(self._held.items())
        for first in range(0, len(held), RENEWALS):
            await asyncio.gather(*(self._renew(*key, info) for key, info in held[first : first + RENEWALS]))

    async def _renew(self, channel: str, client: str, info: ClientInfo) -> None:
        if (channel, client) in self._held:
            await self._leases().enter(channel, info, self._lease)
        if (channel, client) not in self._held:
            # Left while the renewal was under way, which may have come after it.
            self._errands.add(channel, _forgiving(self._leases().leave, channel, client))

    async def present(self, channel: str) -> Mapping[str, ClientInfo]:
        return await self._leases().present(channel)

    async def count(self, channel: str) -> tuple[int, int]:
        return await self._leases().count(channel)

    def _leases(self) -> KeepsPresence:
        if self._keeper is None:
            raise NotAvailable("the broker keeps no presence")
        return self._keeper


def _forgiving(call: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> Callable[[], Awaitable[None]]:
    """A call that may fail because the broker is away: its effect ends by itself, or is at most once anyway."""

    async def errand() -> None:
        with suppress(BrokerUnavailable):
            await call(*args, **kwargs)

    return errand
