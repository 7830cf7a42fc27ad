"""The Redis broker: publications by pub/sub, streams, presence and users' connections in keys with a life time.

Publishing is one call. In a channel with history a script gives the offset, keeps the publication and sends it to all
nodes in one step, so that the order of the messages is the order of the offsets, and a node sees a gap without asking.

Order and delivery are as in `tidings.brokers.base`. What is Redis' own:

Away
    A publication waits up to `publish_timeout` for a server that is away, at most `publish_queue_limit` of them; then
    it raises. If the connection broke while it was under way, its outcome is unknown: with history, or with an
    idempotency key, it is repeated, and the script looks for the first attempt; otherwise, and where nobody can tell,
    `BrokerUnavailable` says "outcome unknown". It is never published twice, and never accepted and dropped.
Back again
    The channels are asked for anew, and the node hears which ones: it compares its positions with the streams.
Restart and failover
    A stream that was lost, or may have gone back, has another epoch before anybody appends to it or reads it.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress

from tidings.brokers.base import IDEMPOTENCY_TTL, NO_GUARD, Accepted, Guard, Page, Receiver, Retention
from tidings.brokers.link import LineLost
from tidings.brokers.redis import envelope, scripts
from tidings.brokers.redis.address import Address, Deployment
from tidings.brokers.redis.calls import Calls
from tidings.brokers.redis.fleet import Fleet, fleet
from tidings.brokers.redis.introduction import Introduction
from tidings.brokers.redis.keys import Keys
from tidings.brokers.redis.line import ReplyError
from tidings.brokers.redis.people import ConnectsNodes, KeepsConnections, KeepsSubscriptions, milliseconds
from tidings.clock import Clock
from tidings.errors import BrokerUnavailable
from tidings.model import ClientInfo, Publication, StreamPosition

REACH_TIMEOUT = 1.0
STOPPED = "the broker is not running"
IDEMPOTENCY_MS = round(IDEMPOTENCY_TTL * 1000)


class RedisBroker(ConnectsNodes, KeepsConnections, KeepsSubscriptions):
    """A node on a Redis: a `Broker` with every door that there is.

    `publish_timeout` is in seconds. Raises `SettingsError` for certificates, or a prefix, that cannot be used.
    """

    idempotency_ttl = IDEMPOTENCY_TTL

    def __init__(
        self,
        address: Address,
        clock: Clock,
        *,
        prefix: str = "tidings",
        publish_timeout: float = 5.0,
        publish_queue_limit: int = 10000,
    ) -> None:
        clustered = address.deployment is Deployment.CLUSTER
        self._keys = Keys(prefix, database=address.database, clustered=clustered)
        self._clock = clock
        self._timeout = publish_timeout
        self._queue_limit = publish_queue_limit
        self._address = address
        self._verb = b"SPUBLISH" if clustered else b"PUBLISH"
        self._name = secrets.token_hex(6)
        self._numbers = itertools.count()
        self._introduction = Introduction(address, f"tidings-{self._name}")
        self._fleet: Fleet | None = None
        self._calls: Calls | None = None
        self._receiver: Receiver | None = None

    def __repr__(self) -> str:
        return f"<RedisBroker at {self._address}>"

    # Life.

    async def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        if self._fleet is None:
            self._fleet = fleet(self._address, self._introduction, self)
            self._calls = Calls(self._fleet, self._verb, timeout=self._timeout, queue_limit=self._queue_limit)
        self._fleet.start()
        try:
            async with asyncio.timeout(self._timeout):
                server = await self._fleet.server(self._keys.control())
                await server.commands.wait()
                await server.messages.wait()
        except TimeoutError:
            raise BrokerUnavailable(self._reason() or f"{self._address} does not answer") from None
        except LineLost as stopped:
            raise BrokerUnavailable(stopped.reason) from stopped

    async def stop(self) -> None:
        if self._calls is not None and self._fleet is not None:
            self._calls.stop(STOPPED)
            await self._fleet.stop(STOPPED)
        self._receiver = self._fleet = self._calls = None

    async def reach(self) -> None:
        self._running()
        if reason := self._reason():
            raise BrokerUnavailable(reason)
        assert self._fleet is not None
        lines = [link.line for server in self._fleet.servers() for link in (server.commands, server.messages)]
        try:
            async with asyncio.timeout(REACH_TIMEOUT):
                await asyncio.gather(*(line.call(b"PING") for line in lines if line is not None))
        except TimeoutError:
            raise BrokerUnavailable(f"no answer within {REACH_TIMEOUT:g} s") from None
        except (LineLost, ReplyError) as error:
            raise BrokerUnavailable(str(error)) from error

    # Channels.

    async def subscribe(self, channel: str) -> None:
        await self._hear(self._keys.bus(channel))

    async def unsubscribe(self, channel: str) -> None:
        await self._hear_no_more(self._keys.bus(channel))

    async def publish(self, channel: str, publication: Publication, *, guard: Guard = NO_GUARD) -> Accepted:
        message = envelope.stamped(envelope.encode_body(publication), self._clock.now())
        bus = self._keys.bus(channel)
        if not guard.idempotency_key:
            await self._running().send(bus, message)
            return Accepted()
        keys = [self._keys.once(channel, guard.idempotency_key)]
        arguments = (message, self._new_id(), self._verb, bus, IDEMPOTENCY_MS)
        return _accepted(await self._running().publish(scripts.PUBLISH, keys, arguments, timed=False))

    async def publish_join(self, channel: str, info: ClientInfo) -> None:
        await self._running().send(self._keys.bus(channel), envelope.JOIN + envelope.encode_info(info))

    async def publish_leave(self, channel: str, info: ClientInfo) -> None:
        await self._running().send(self._keys.bus(channel), envelope.LEAVE + envelope.encode_info(info))

    # Streams.

    async def append(
        self, channel: str, publication: Publication, retention: Retention, *, guard: Guard = NO_GUARD
    ) -> Accepted:
        identity = self._new_id()
        keys = [self._keys.meta(channel), self._keys.stream(channel)]
        # Without a key there is no result to look for, and the script asks for none.
        keys.append(self._keys.once(channel, guard.idempotency_key) if guard.idempotency_key else keys[0])
        arguments = (
            envelope.encode_body(publication),
            identity,
            retention.size,
            milliseconds(retention.ttl),
            milliseconds(retention.meta_ttl),
            identity,
            self._verb,
            self._keys.bus(channel),
            IDEMPOTENCY_MS if guard.idempotency_key else 0,
            guard.version,
            guard.version_epoch,
        )
        return _accepted(await self._running().publish(scripts.APPEND, keys, arguments, timed=True))

    async def read(
        self,
        channel: str,
        retention: Retention,
        *,
        since: int | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Page:
        offset, epoch, entries = await self._running().run(
            scripts.READ,
            [self._keys.meta(channel), self._keys.stream(channel)],
            self._new_id(),
            milliseconds(retention.meta_ttl),
            "" if since is None else since,
            "" if limit is None else limit,
            int(reverse),
        )
        return Page(tuple(map(envelope.decode_entry, entries)), StreamPosition(offset, epoch.decode()))

    async def remove(self, channel: str) -> None:
        key = self._keys.stream(channel)
        await self._running().call(key, b"DEL", key)

    # Presence.

    async def enter(self, channel: str, info: ClientInfo, lease: float) -> None:
        await self._running().run(
            scripts.ENTER,
            self._presence(channel),
            milliseconds(lease),
            info.client,
            envelope.labelled(info.user, envelope.encode_info(info)),
        )

    async def leave(self, channel: str, client: str) -> None:
        await self._running().run(scripts.LEAVE, self._presence(channel), client)

    async def present(self, channel: str) -> Mapping[str, ClientInfo]:
        shown = await self._running().run(scripts.PRESENT, self._presence(channel))
        infos = [envelope.decode_info(envelope.unlabelled(each)[1]) for each in shown]
        return {info.client: info for info in infos}

    async def count(self, channel: str) -> tuple[int, int]:
        clients, users = await self._running().run(scripts.COUNT, self._presence(channel))
        return clients, users

    # What the servers say (`Ears`).

    def on_message(self, name: bytes, content: bytes) -> None:
        receiver, channel = self._receiver, self._keys.channel(name.decode())
        if receiver is None:
            return
        if channel is None:
            receiver.on_message(content)
            return
        with suppress(ValueError):  # Somebody else publishes under our names; nobody here can read it.
            match content[:1]:
                case envelope.PUBLICATION:
                    receiver.on_publication(channel, *envelope.decode_publication(content))
                case envelope.JOIN:
                    receiver.on_join(channel, envelope.decode_info(content[1:]))
                case envelope.LEAVE:
                    receiver.on_leave(channel, envelope.decode_info(content[1:]))

    def on_heard(self, names: Collection[str]) -> None:
        channels = [channel for name in names if (channel := self._keys.channel(name)) is not None]
        if self._receiver is not None:
            self._receiver.on_resumed(channels)

    def on_down(self, reason: str) -> None:
        if self._receiver is not None:
            self._receiver.on_interrupted(reason)

    # Private steps.

    async def _hear(self, name: str) -> None:
        self._running()
        assert self._fleet is not None
        was_wanted = any(name in server.wanted for server in self._fleet.servers())
        try:
            async with asyncio.timeout(self._timeout):
                await self._subscribe_where_it_is(self._fleet, name)
        except TimeoutError:
            for server in self._fleet.servers() if not was_wanted else ():
                server.wanted.discard(name)
            raise BrokerUnavailable(f"no subscription within {self._timeout:g} s: {self._reason()}") from None

    async def _hear_no_more(self, name: str) -> None:
        self._running()
        assert self._fleet is not None
        for server in self._fleet.servers():
            if name in server.wanted:
                await server.unsubscribe(name)

    async def _subscribe_where_it_is(self, servers: Fleet, name: str) -> None:
        while True:
            try:
                server = await servers.server(name)
                await server.subscribe(name)
                return
            except LineLost:
                self._running().check_stopped()
            except ReplyError as refusal:
                server.wanted.discard(name)
                await self._running().bear(refusal)

    def _running(self) -> Calls:
        if self._calls is None:
            raise BrokerUnavailable(STOPPED)
        return self._calls

    def _reason(self) -> str:
        """Why not all can be used, "" when all can."""
        servers = self._fleet.servers() if self._fleet is not None else ()
        if self._fleet is not None and not servers:
            return f"{self._address}: {self._fleet.reason}"
        return "; ".join(sorted({f"{server.name}: {server.reason}" for server in servers if server.reason}))

    def _new_id(self) -> str:
        """Never given before; for publications, and for epochs."""
        return f"{self._name}{next(self._numbers):x}"

    def _presence(self, channel: str) -> list[str]:
        return [self._keys.leases(channel), self._keys.present(channel)]


def _accepted(answer: list[object]) -> Accepted:
    match answer:
        case [int(offset), bytes(epoch), int(fresh)]:
            return Accepted(StreamPosition(offset, epoch.decode()), fresh=bool(fresh))
    raise BrokerUnavailable(f"a script answered {answer!r}, which is none of its answers")
