"""What a back end may do with a user's connections, on whichever node they are.

An order is carried out here at once, and sent to the other nodes, which carry it out when they hear of it. `client` and
`spare` name single connections; all of the user's are meant without them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress

from tidings import events
from tidings.channels.errands import Errands
from tidings.errors import AlreadySubscribed, TidingsError
from tidings.gateway import control
from tidings.gateway.connection import Connection
from tidings.gateway.grants import SubscriptionGrant
from tidings.gateway.neighbours import Neighbours
from tidings.gateway.registry import Registry
from tidings.gateway.users import Users
from tidings.hooks import Hooks
from tidings.model import StreamPosition
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.messages import Disconnect


class Orders:
    """See the module. Raises `BrokerUnavailable` when an order was carried out here and others cannot be told."""

    def __init__(self, users: Users[Connection], registry: Registry, hooks: Hooks) -> None:
        self._users = users
        self._registry = registry
        self._hooks = hooks
        self._errands = Errands()
        self.neighbours: Neighbours | None = None

    async def subscribe(
        self,
        user: str,
        channel: str,
        grant: SubscriptionGrant,
        *,
        client: str = "",
        since: StreamPosition | None = None,
        persist: bool = False,
    ) -> None:
        """Subscribe connected clients to a channel; those that are subscribed already stay as they are.

        With `persist` the user is subscribed again whenever they connect, until they are unsubscribed.

        Raises `UnknownChannel` and `LimitExceeded`, for connections of this node; some may then be subscribed. Raises
        `NotAvailable` for `persist` with a broker that cannot remember it.
        """
        if persist:
            await self._registry.keep(user, channel, grant)
        await self._subscribe(user, channel, grant, client, since)
        await self._tell(control.Subscribe(user, channel, grant, client, since))

    async def unsubscribe(self, user: str, channel: str, *, client: str = "") -> None:
        """End subscriptions to a channel, or to all channels where it is "". What was persistent is so no longer."""
        if not client:
            await self._registry.forget(user, channel)
        self._unsubscribe(user, channel, client)
        await self._tell(control.Unsubscribe(user, channel, client))

    async def disconnect(
        self, user: str, why: Disconnect = codes.FORCE_DISCONNECT, *, client: str = "", spare: Collection[str] = ()
    ) -> None:
        """End connections, except those to `spare`."""
        self._disconnect(user, why, client, spare)
        await self._tell(control.Disconnect(user, why.code, why.reason, client, tuple(spare)))

    async def refresh(self, user: str, expire_at: float | None, *, client: str = "", info: bytes | None = None) -> None:
        """Let connections live until another moment; 0 is for ever, None leaves them as they are."""
        self._refresh(user, expire_at, client, info)
        await self._tell(control.Refresh(user, expire_at, client, info))

    def obey(self, order: control.AnyMessage) -> None:
        """Carry out the order of another node."""
        match order:
            case control.Subscribe(user, channel, grant, client, since):
                self._errands.add(user, lambda: self._subscribe_quietly(user, channel, grant, client, since))
            case control.Unsubscribe(user, channel, client):
                # In its turn: a subscription that was ordered before may not have begun yet.
                self._errands.add(user, lambda: self._unsubscribe_in_turn(user, channel, client))
            case control.Disconnect(user, code, reason, client, spare):
                self._disconnect(user, Disconnect(code, reason), client, spare)
            case control.Refresh(user, expire_at, client, info):
                self._refresh(user, expire_at, client, info)

    async def wait_idle(self) -> None:
        """Wait until what others ordered is done."""
        await self._errands.wait_idle()

    # Here.

    async def _subscribe(
        self, user: str, channel: str, grant: SubscriptionGrant, client: str, since: StreamPosition | None
    ) -> None:
        for connection in self._of(user, client):
            if connection.is_connected:
                with suppress(AlreadySubscribed):
                    await connection.subscribe(channel, grant, since)

    async def _subscribe_quietly(
        self, user: str, channel: str, grant: SubscriptionGrant, client: str, since: StreamPosition | None
    ) -> None:
        """Nobody waits here who could be told of a failure; it is announced."""
        try:
            await self._subscribe(user, channel, grant, client, since)
        except TidingsError as error:
            self._hooks.announce(events.CommandFailed("subscribe", client, error))

    async def _unsubscribe_in_turn(self, user: str, channel: str, client: str) -> None:
        self._unsubscribe(user, channel, client)

    def _unsubscribe(self, user: str, channel: str, client: str) -> None:
        for connection in self._of(user, client):
            if channel:
                connection.unsubscribe(channel)
            else:
                connection.unsubscribe_all()

    def _disconnect(self, user: str, why: Disconnect, client: str, spare: Collection[str]) -> None:
        for connection in self._of(user, client):
            if connection.client_id not in spare:
                connection.end(why)

    def _refresh(self, user: str, expire_at: float | None, client: str, info: bytes | None) -> None:
        for connection in self._of(user, client):
            if connection.is_connected:
                connection.refresh(expire_at, info)

    def _of(self, user: str, client: str) -> Iterator[Connection]:
        return (one for one in self._users.connections(user) if client in ("", one.client_id))

    async def _tell(self, order: control.AnyMessage) -> None:
        if self.neighbours is not None:
            await self.neighbours.tell(order)
