"""What a node tells the broker about its connections: whose they are, where they are, what they listen to.

A user's connections are counted there, as leases, so that a limit holds across nodes. And for whoever looks from
outside, each node says what its connections are: a JSON object by client, with the user, since when, and the channels.
Both end by themselves with the node, within one lease.

It listens to facts, and tells changes in batches. Connecting waits only to hear what the user keeps, and where there is
a limit.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

import msgspec
from msgspec import Struct

from tidings import events
from tidings.brokers.base import Broker, KeepsConnections, KeepsSubscriptions
from tidings.channels.errands import Errands
from tidings.clock import Clock
from tidings.errors import BrokerUnavailable, LimitExceeded, NotAvailable
from tidings.gateway.grants import SubscriptionGrant

BATCH_INTERVAL = 0.1
"""Seconds in which changes are gathered before they are told."""

BATCH = 500
"""Connections in one call."""

RENEWALS = 100
"""Leases that are renewed side by side."""


class Entry(Struct):
    """What is shown of a connection. `since` is Unix time in seconds, 0 until it is open: its channels come first."""

    user: str
    since: float
    channels: list[str]


class Registry:
    """The broker's knowledge of this node's connections. Where the broker cannot keep it, nothing is told.

    `lease` is how long it outlives the node, in seconds; `limit` how many connections a user may have on all nodes
    together, 0 for any number. Anonymous connections are not one person, and are not counted. To a broker in which the
    node is `alone` nothing is told of its connections: nobody could ask, and it would cost memory for each.
    """

    def __init__(
        self, broker: Broker, node: str, clock: Clock, *, lease: float, limit: int = 0, alone: bool = False
    ) -> None:
        self._connections = broker if isinstance(broker, KeepsConnections) and not alone else None
        self._subscriptions = broker if isinstance(broker, KeepsSubscriptions) else None
        self._node = node
        self._clock = clock
        self._lease = lease
        self._limit = limit
        self._entries: dict[str, Entry] = {}
        self._arrived: dict[str, str] = {}
        self._changed: set[str] = set()
        self._shown_until = math.inf
        """When the broker forgets what it was told last."""
        self._telling: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._errands = Errands()

    # Coming and going.

    async def arrive(self, user: str, client: str) -> None:
        """Count a connection in. Raises `LimitExceeded`, and where there is a limit `BrokerUnavailable`."""
        if not user or self._connections is None:
            return
        if not self._limit:
            self._arrived[client] = user
            self._errands.add(client, partial(self._renew, client))
            return
        try:
            is_counted = await self._connections.arrive(user, client, self._lease, limit=self._limit)
        except BaseException:
            # It may have been counted all the same, and must not take the place of the next attempt.
            self._errands.add(client, partial(self._depart, user, client))
            raise
        if not is_counted:
            raise LimitExceeded("the user has too many connections")
        self._arrived[client] = user

    def depart(self, client: str) -> None:
        """Count it out. Repeating it is harmless."""
        user = self._arrived.pop(client, "")
        if user:
            self._errands.add(client, partial(self._depart, user, client))

    def __call__(self, fact: events.Fact) -> None:
        """Take note of what concerns a connection; a listener of `Hooks`."""
        if self._connections is None:
            return
        match fact:
            case events.ConnectionOpened(client=client, user=user):
                self._entry(client, user).since = self._clock.now()
            case events.Subscribed(client=client, user=user, channel=channel):
                self._entry(client, user).channels.append(channel)
            case events.Unsubscribed(client=client, channel=channel) if client in self._entries:
                self._remove_channel(client, channel)
            case events.ConnectionClosed(client=client) if client in self._entries:
                del self._entries[client]
            case _:
                return
        self._changed.add(client)
        self._tell_soon()

    # What a user keeps.

    async def keep(self, user: str, channel: str, grant: SubscriptionGrant) -> None:
        """Subscribe the user whenever they connect. Raises `NotAvailable` and `BrokerUnavailable`."""
        if self._subscriptions is None:
            raise NotAvailable("the broker keeps no subscriptions")
        await self._subscriptions.keep(user, channel, msgspec.msgpack.encode(grant))

    async def forget(self, user: str, channel: str) -> None:
        """Do so no longer; "" for all channels. Raises `BrokerUnavailable`."""
        if self._subscriptions is not None and user:
            await self._subscriptions.forget(user, channel)

    async def kept(self, user: str) -> Mapping[str, SubscriptionGrant]:
        """What the user is to be subscribed to; terms that nobody can read are none. Raises `BrokerUnavailable`."""
        if self._subscriptions is None or not user:
            return {}
        kept = {}
        for channel, terms in (await self._subscriptions.kept(user)).items():
            # Another version may have written them, and the user has to get in all the same.
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                kept[channel] = msgspec.msgpack.decode(terms, type=SubscriptionGrant)
        return kept

    # Time.

    async def renew(self) -> None:
        """Begin all leases anew. Raises `BrokerUnavailable`."""
        if self._connections is None:
            return
        if self._clock.now() >= self._shown_until:
            # Nothing was heard from this node for a lease, so nothing is known of it; the broker was never away for it.
            self._changed.update(self._entries)
            self._tell_soon()
        await self._show({})
        clients = list(self._arrived)
        for first in range(0, len(clients), RENEWALS):
            await asyncio.gather(*(self._renew(client) for client in clients[first : first + RENEWALS]))

    async def assert_again(self) -> None:
        """Tell everything anew, because the broker may have forgotten it. Raises `BrokerUnavailable`."""
        self._changed.update(self._entries)
        self._tell_soon()
        await self.renew()

    async def bury(self, node: str) -> None:
        """Give up the places of a node that is known to be dead, before its lease ends. Raises `BrokerUnavailable`.

        What it had not told yet, a tenth of a second's connections, ends with the lease.
        """
        if self._connections is None:
            return
        shown = await self._connections.shown(node)
        for client, told in shown.items():
            with suppress(msgspec.MsgspecError):
                await self._connections.depart(msgspec.json.decode(told, type=Entry).user, client)
        if shown:
            await self._connections.show(node, dict.fromkeys(shown, b""), self._lease)

    async def stop(self) -> None:
        """Tell that nobody is here any more."""
        self._stopping.set()  # Nothing more will change, so nothing is gathered any more.
        for client in list(self._arrived):
            self.depart(client)
        self._changed.update(self._entries)
        self._entries.clear()
        self._tell_soon()
        if self._telling is not None:
            await asyncio.wait([self._telling])
        await self._errands.wait_idle()

    # Private steps.

    def _entry(self, client: str, user: str) -> Entry:
        if client not in self._entries:
            self._entries[client] = Entry(user, 0.0, [])
        return self._entries[client]

    def _remove_channel(self, client: str, channel: str) -> None:
        entry = self._entries[client]
        with suppress(ValueError):
            entry.channels.remove(channel)
        if not entry.since and not entry.channels:
            del self._entries[client]  # It never came to be, and nothing will be said of its end.

    def _tell_soon(self) -> None:
        if self._connections is not None and self._changed and self._telling is None:
            self._telling = asyncio.get_running_loop().create_task(self._tell(), name="tell of connections")

    async def _tell(self) -> None:
        """Tell what has changed, until nothing has. What cannot be told now is told with the next change."""
        try:
            while self._changed:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), BATCH_INTERVAL)
                batch = [self._changed.pop() for _ in range(min(BATCH, len(self._changed)))]
                try:
                    await self._show({one: self._shown(one) for one in batch})
                except BrokerUnavailable:
                    self._changed.update(batch)
                    return
        finally:
            self._telling = None

    async def _show(self, changes: Mapping[str, bytes]) -> None:
        assert self._connections is not None
        until = self._clock.now() + self._lease
        await self._connections.show(self._node, changes, self._lease)
        self._shown_until = until

    def _shown(self, client: str) -> bytes:
        entry = self._entries.get(client)
        return b"" if entry is None else msgspec.json.encode(entry)

    async def _renew(self, client: str) -> None:
        assert self._connections is not None
        if (user := self._arrived.get(client)) is None:
            return
        with suppress(BrokerUnavailable):
            await self._connections.arrive(user, client, self._lease)
        if client not in self._arrived:
            # Gone while the renewal was under way, which may have come after its departure.
            self._errands.add(client, partial(self._depart, user, client))

    async def _depart(self, user: str, client: str) -> None:
        assert self._connections is not None
        with suppress(BrokerUnavailable):
            await self._connections.depart(user, client)
