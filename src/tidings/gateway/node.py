"""One Tidings process: its connections, and what a back end may do with them."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

from msgspec import Struct

from tidings import events
from tidings.brokers.base import Broker
from tidings.channels.errands import Errands
from tidings.channels.hub import Hub
from tidings.channels.options import ChannelOptions
from tidings.clock import Clock
from tidings.errors import BrokerUnavailable
from tidings.gateway.admission import Admission, Rates
from tidings.gateway.alarms import Alarms
from tidings.gateway.application import Application
from tidings.gateway.connection import Connection
from tidings.gateway.draining import drain
from tidings.gateway.fanout import Fanout
from tidings.gateway.neighbours import Neighbours
from tidings.gateway.orders import Orders
from tidings.gateway.origins import is_allowed
from tidings.gateway.premises import Premises
from tidings.gateway.registry import Registry
from tidings.gateway.session import Policy
from tidings.gateway.transports.base import Transport
from tidings.gateway.transports.handshake import Handshake
from tidings.gateway.users import Users
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.codec import Codec

STOPPED = "the node was stopped before it had started"


class Limits(Struct, frozen=True):
    """What a node bears. 0 is no limit."""

    connections: int = 0
    connections_per_user: int = 0
    queue_bytes: int = 1048576
    recovery: int = 300
    """How many publications one recovery may hand over."""
    rates: Rates = Rates()


class Refusal(Struct, frozen=True):
    """Why a connection is not let in, as an HTTP answer."""

    status: int
    text: str
    retry_after: int = 0
    """Seconds after which it may be tried again; 0 where nobody knows."""


class Node:
    """Everything that lives as long as the process does.

    >>> await node.start()
    >>> connection = node.join(transport, codec, handshake)

    `lease` is how long what this node has told the broker outlives it, in seconds. `drain_timeout` bounds how long
    clients are being sent away when the node stops, `hearing` how long handlers may then take to notice that they are
    cancelled, and to hear who has left. A node that is `alone` with its broker tells it less, see `Registry`.
    """

    _may_be_forgotten = False
    """Whether the broker was back since the last telling of everything began."""

    def __init__(
        self,
        broker: Broker,
        policy: Policy,
        application: Application,
        *,
        clock: Clock,
        limits: Limits,
        allowed_origins: Collection[str] = (),
        lease: float = 30.0,
        drain_timeout: float = 10.0,
        hearing: float = 5.0,
        alone: bool = False,
    ) -> None:
        self.id = str(uuid.uuid4())
        self.policy = policy
        self.clock = clock
        self.users: Users[Connection] = Users(limits.connections_per_user)
        self.connections: set[Connection] = set()
        registry = Registry(broker, self.id, clock, lease=lease, limit=limits.connections_per_user, alone=alone)
        policy.hooks.listen(registry)
        self.orders = Orders(self.users, registry, policy.hooks)
        self.neighbours = self.orders.neighbours = Neighbours(broker, self.id, lease=lease, hear=self.orders.obey)
        self.hub: Hub[Connection] = Hub(
            broker,
            policy.namespaces,
            self._audience,
            clock=clock,
            hooks=policy.hooks,
            recovery_limit=limits.recovery,
            lease=lease,
            on_message=self.neighbours.on_message,
            on_resumed=self._resumed,
        )
        self.farewells: list[Callable[[], Awaitable[None]]] = []
        """What is to be done when nobody is here any more, and the other nodes can still be spoken to."""
        self._lease = lease
        self._limits = limits
        self._allowed_origins = allowed_origins
        self._drain_timeout = drain_timeout
        self._hearing = hearing
        self._draining: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._asserting: asyncio.Task[None] | None = None
        self._premises = Premises(
            clock=clock,
            hooks=policy.hooks,
            policy=policy,
            hub=self.hub,
            users=self.users,
            registry=registry,
            application=application,
            admission=Admission(limits.rates, policy.hooks),
            alarms=Alarms(clock),
            notices=Errands(),
            connections=self.connections,
            tasks=set(),
            drain=self.drain,
            queue_limit_bytes=limits.queue_bytes,
        )

    def __repr__(self) -> str:
        return f"<Node {self.id}: {len(self.connections)} connections, {len(self.users)} users>"

    # Life.

    async def start(self) -> None:
        """Start, if nobody has; otherwise wait until it has started. Raises `BrokerUnavailable`."""
        if self._watching is not None:
            return
        if self._starting is None or (self._starting.done() and self._starting.exception() is not None):
            self._starting = asyncio.create_task(self._start(), name="start of the node")
        starting = self._starting
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            if starting.cancelled() and not _is_cancelled():
                raise BrokerUnavailable(STOPPED) from None
            raise
        if self._starting is not starting:
            raise BrokerUnavailable(STOPPED)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="watch over the node")

    async def stop(self) -> None:
        """Send everybody away, finish what was begun, and let the broker go. A node does not start again.

        Handlers that are still at work are cancelled, and those that hear of the end get a moment for it. Cancelling
        stops the waiting only: everybody is told all the same, and another call waits for the rest.
        """
        if self._watching is None:
            await self._give_up_start()
            return
        self.drain()
        assert self._draining is not None
        await asyncio.shield(self._draining)
        self._watching.cancel()
        await asyncio.wait([task for task in (self._watching, self._asserting) if task is not None])
        await self._finish_tasks()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._premises.notices.wait_idle(), self._hearing)
        await self._premises.notices.stop()
        for farewell in self.farewells:
            await farewell()
        self._premises.alarms.stop()
        await self._premises.registry.stop()
        await self.orders.wait_idle()
        await self.neighbours.quit()
        await self.hub.stop()

    @property
    def is_started(self) -> bool:
        return self._watching is not None

    @property
    def is_leaving(self) -> bool:
        """Whether it lets nobody in any more, because it stops."""
        return self._draining is not None

    async def reach(self) -> None:
        """Start if need be, and make sure that the broker answers. Raises `BrokerUnavailable`."""
        await self.start()
        await self.hub.reach()

    async def bury(self, node: str) -> None:
        """Take a node that is known to be dead for what it is, at once. Raises `BrokerUnavailable`."""
        await self._premises.registry.bury(node)

    def drain(self) -> None:
        """Let nobody in any more, and begin to send everybody away. Repeating it is harmless."""
        if self._draining is None:
            leaving = list(self.connections)
            self._draining = asyncio.create_task(drain(leaving, _send_away, self._drain_timeout), name="drain")

    # Connections.

    def refuse(self, handshake: Handshake) -> Refusal | None:
        """Why a connection cannot be opened, if it cannot."""
        if self._draining is not None:
            return Refusal(503, "the server is shutting down")
        if not self.is_started:
            return Refusal(503, "the broker is away")
        if wait := self._premises.admission.connect_from(handshake.address, self.clock.now()):
            return Refusal(429, "too many connections from this address", wait)
        if self._limits.connections and len(self.connections) >= self._limits.connections:
            return Refusal(503, "the server has too many connections")
        if not is_allowed(handshake.origin, handshake.host, self._allowed_origins):
            return Refusal(403, "this origin is not allowed")
        return None

    def join(self, transport: Transport, codec: Codec, handshake: Handshake) -> Connection:
        """Take in an open transport, and be its peer."""
        jitter = random.random()  # noqa: S311, nothing secret
        connection = Connection(str(uuid.uuid4()), transport, codec, handshake, self._premises, jitter=jitter)
        if self._draining is not None:
            _send_away(connection)  # Its handshake was under way when the others were told.
        return connection

    # Private steps.

    async def _start(self) -> None:
        await self.hub.start()
        await self.neighbours.join()

    async def _give_up_start(self) -> None:
        """Leave nothing of a start that has failed, or is under way: a broker that is away is being tried again."""
        if (starting := self._starting) is None:
            return
        self._starting = None
        starting.cancel()
        await asyncio.wait([starting])
        if not starting.cancelled() and starting.exception() is None:
            await self.neighbours.quit()
        await self.hub.stop()

    async def _watch(self) -> None:
        """Give signs of life three times in a lease, for ever. Cancel it to stop."""
        async with asyncio.TaskGroup() as watches:
            watches.create_task(self.hub.watch(), name="watch over the hub")
            watches.create_task(self._give_signs(), name="watch over the signs of life")

    async def _give_signs(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self.neighbours.join()
                await self._premises.registry.renew()
            except BrokerUnavailable:
                continue
            except Exception as error:  # It must neither end the signs of life nor what else is watched over.
                self.policy.hooks.announce(events.CommandFailed("renew", "", error))

    def _resumed(self) -> None:
        """The broker is back, and may have forgotten everything: say again who is here."""
        self._may_be_forgotten = True
        if self.is_started and not self.is_leaving and (self._asserting is None or self._asserting.done()):
            self._asserting = asyncio.create_task(self._assert_again(), name="tell the broker again")

    async def _assert_again(self) -> None:
        while self._may_be_forgotten and not self.is_leaving:  # It may be back anew before it was told everything.
            self._may_be_forgotten = False
            try:
                await self.neighbours.join()
                await self.hub.renew_presence()
                await self._premises.registry.assert_again()
            except BrokerUnavailable:
                continue
            except Exception as error:
                self.policy.hooks.announce(events.CommandFailed("assert", "", error))

    def _audience(self, channel: str, options: ChannelOptions) -> Fanout:
        soon = asyncio.get_running_loop().call_soon
        return Fanout(channel, options, self.clock, self.policy.hooks, soon)

    async def _finish_tasks(self) -> None:
        """What handlers still do for clients that are gone is cut off."""
        for task in self._premises.tasks:
            task.cancel()
        if self._premises.tasks:
            await asyncio.wait(self._premises.tasks, timeout=self._hearing)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _send_away(connection: Connection) -> None:
    connection.end(codes.SHUTDOWN)
