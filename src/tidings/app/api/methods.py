"""What each method of the HTTP API does. Nothing in here knows of HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

import msgspec

from tidings import events
from tidings.app.api.requests import (
    REQUESTS,
    BroadcastRequest,
    ChannelsRequest,
    DisconnectRequest,
    HistoryRemoveRequest,
    HistoryRequest,
    InfoRequest,
    PresenceRequest,
    PresenceStatsRequest,
    PublishRequest,
    RefreshRequest,
    Request,
    RPCRequest,
    SubscribeRequest,
    UnsubscribeRequest,
)
from tidings.app.api.results import (
    BroadcastResult,
    ChannelInfo,
    ChannelsResult,
    ClientInfo,
    Done,
    Error,
    HistoryResult,
    InfoResult,
    NodeInfo,
    PresenceResult,
    PresenceStatsResult,
    Publication,
    PublishResult,
    Response,
    Result,
    RPCResult,
)
from tidings.app.publishing import publish
from tidings.brokers.base import Guard
from tidings.channels import names
from tidings.errors import BadRequest, InternalError, MethodNotFound, TidingsError
from tidings.gateway.node import Node
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.json import JSON

A = TypeVar("A")
R = TypeVar("R")

Handler = Callable[[bytes], Awaitable[bytes]]
"""Answers the rpc method of its name: encoded JSON of `params` in, b"" where there are none, that of `data` out."""

GROUP = 100
"""How many calls of one request are made before others get their turn, and at most side by side."""


class Api:
    """The methods on one node. They are not bound by the permissions of clients.

    Each takes its request and returns its result, or raises a `TidingsError`. `call` is the door for requests that come
    from outside.
    """

    def __init__(self, node: Node, *, rpc: Mapping[str, Handler], name: str) -> None:
        self._node = node
        self._rpc = rpc
        self._name = name
        self._began = node.clock.now()
        node.neighbours.answers |= {"channels": self._channels_here, "info": self._info_here}
        self._methods: Mapping[str, Callable[..., Awaitable[Result]]] = {name: getattr(self, name) for name in REQUESTS}

    async def call(self, method: str, request: Request) -> Result | Error:
        """Carry out one of `REQUESTS`. Raises nothing; what goes wrong unexpectedly is announced."""
        return await self._outcome(method, self._methods[method](request))

    # Publishing.

    async def publish(self, request: PublishRequest) -> PublishResult:
        return await self._publish(request.channel, request.payload(), request, request.guard())

    async def broadcast(self, request: BroadcastRequest) -> BroadcastResult:
        data, guard = request.payload(), request.guard()

        async def respond(channel: str) -> Response:
            outcome = await self._outcome("broadcast", self._publish(channel, data, request, guard))
            return Response(error=outcome) if isinstance(outcome, Error) else Response(result=outcome)

        return BroadcastResult(await side_by_side(respond, request.channels))

    async def _publish(
        self, channel: str, data: bytes, request: PublishRequest | BroadcastRequest, guard: Guard
    ) -> PublishResult:
        accepted = await publish(
            self._node,
            channel,
            data,
            tags=request.tags or {},
            guard=guard,
            skip_history=bool(request.skip_history),
        )
        return PublishResult(accepted.position.offset, accepted.position.epoch)

    # A user's connections.

    async def subscribe(self, request: SubscribeRequest) -> Done:
        channel, grant, since = request.channel, request.grant(), request.since()
        # Known or not, there may be nobody to subscribe who would find out.
        self._node.policy.namespaces.options(channel)
        if not names.is_well_formed(channel):
            raise BadRequest("channel: a name has 1 to 255 printable ASCII characters")
        if not request.session:
            await self._node.orders.subscribe(
                request.user,
                channel,
                grant,
                client=request.client or "",
                since=since,
                persist=bool(request.persist),
            )
        return Done()

    async def unsubscribe(self, request: UnsubscribeRequest) -> Done:
        if request.channel:
            self._node.policy.namespaces.options(request.channel)
        if not request.session:
            await self._node.orders.unsubscribe(request.user, request.channel, client=request.client or "")
        return Done()

    async def disconnect(self, request: DisconnectRequest) -> Done:
        why = request.disconnect.plain() if request.disconnect else codes.FORCE_DISCONNECT
        if not request.session:
            await self._node.orders.disconnect(
                request.user, why, client=request.client or "", spare=request.whitelist or ()
            )
        return Done()

    async def refresh(self, request: RefreshRequest) -> Done:
        expire_at, info = request.expire_at, request.new_info()
        if request.session:
            return Done()
        if request.expired or 0 < (expire_at or 0) <= self._node.clock.now():
            await self._node.orders.disconnect(request.user, codes.CONNECTION_EXPIRED, client=request.client or "")
        else:
            await self._node.orders.refresh(request.user, expire_at, client=request.client or "", info=info)
        return Done()

    # Channels.

    async def presence(self, request: PresenceRequest) -> PresenceResult:
        present = await self._node.hub.presence(request.channel)
        return PresenceResult({client: ClientInfo.of(info) for client, info in present.items()})

    async def presence_stats(self, request: PresenceStatsRequest) -> PresenceStatsResult:
        return PresenceStatsResult(*await self._node.hub.presence_stats(request.channel))

    async def history(self, request: HistoryRequest) -> HistoryResult:
        limit = request.limit or 0
        page = await self._node.hub.history(
            request.channel,
            since=request.since.plain("since") if request.since else None,
            limit=None if limit < 0 else limit,
            reverse=bool(request.reverse),
        )
        return HistoryResult([Publication.of(kept) for kept in page.publications], page.top.offset, page.top.epoch)

    async def history_remove(self, request: HistoryRemoveRequest) -> Done:
        await self._node.hub.remove_history(request.channel)
        return Done()

    async def channels(self, request: ChannelsRequest) -> ChannelsResult:
        """`pattern` has *, ? and [abc], which match any character, boundaries of namespaces included."""
        answers = await self._node.neighbours.ask("channels", (request.pattern or "*").encode())
        counts: Counter[str] = Counter()
        for answer in answers.values():
            counts.update(msgspec.msgpack.decode(answer, type=dict[str, int]))
        return ChannelsResult({channel: ChannelInfo(subscribers) for channel, subscribers in counts.items()})

    # The server.

    async def info(self, request: InfoRequest) -> InfoResult:
        answers = await self._node.neighbours.ask("info")
        return InfoResult([msgspec.msgpack.decode(answer, type=NodeInfo) for answer in answers.values()])

    async def rpc(self, request: RPCRequest) -> RPCResult:
        handler = self._rpc.get(request.method)
        if handler is None:
            raise MethodNotFound
        return RPCResult(JSON.embed(await handler(JSON.extract(request.params))))

    # What other nodes ask this one.

    def _channels_here(self, pattern: bytes) -> bytes:
        wanted = pattern.decode()
        channels = self._node.hub.channels()
        return msgspec.msgpack.encode({name: count for name, count in channels.items() if fnmatchcase(name, wanted)})

    def _info_here(self, _: bytes) -> bytes:
        node, channels = self._node, self._node.hub.channels()
        return msgspec.msgpack.encode(
            NodeInfo(
                uid=node.id,
                name=self._name,
                version=node.policy.version,
                num_clients=node.users.clients,
                num_users=len(node.users),
                num_channels=len(channels),
                num_subs=sum(channels.values()),
                uptime=int(node.clock.now() - self._began),
            )
        )

    # Private steps.

    async def _outcome(self, method: str, call: Awaitable[R]) -> R | Error:
        try:
            return await call
        except TidingsError as error:
            refusal = failure(error)
        except Exception as error:
            self._node.policy.hooks.announce(events.CommandFailed(f"api.{method}", "", error))
            refusal = failure(InternalError())
        self._node.policy.hooks.announce(events.ApiCommandRefused(method, refusal.code))
        return refusal


def failure(error: TidingsError) -> Error:
    """An error as the API tells it."""
    return Error(error.code, error.message, error.temporary)


async def side_by_side(call: Callable[[A], Awaitable[R]], arguments: Sequence[A]) -> list[R]:
    """Call for each argument, in groups, and return the results in order. The calls do not raise."""
    results: list[R] = []
    for first in range(0, len(arguments), GROUP):
        results += await asyncio.gather(*map(call, arguments[first : first + GROUP]))
    return results
