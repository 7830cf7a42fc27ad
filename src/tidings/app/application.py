"""The application's decisions, made by the handlers that it has registered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tidings.app.handlers import Function, Handler
from tidings.app.patterns import Pattern
from tidings.app.replies import ConnectReply, SubscribeReply
from tidings.errors import BadRequest, MethodNotFound, PermissionDenied
from tidings.gateway.application import Application, NoApplication
from tidings.gateway.client import Client
from tidings.gateway.grants import ConnectionGrant, PublicationGrant, Renewal, SubscriptionGrant
from tidings.wire import payloads
from tidings.wire.centrifuge.messages import ConnectRequest

NO_APPLICATION = NoApplication()


class ChannelHandlers:
    """Handlers by channel pattern. The first that was registered and fits is the one."""

    def __init__(self) -> None:
        self._handlers: list[tuple[Pattern, Handler]] = []

    def __len__(self) -> int:
        return len(self._handlers)

    def add(self, pattern: Pattern, function: Function) -> None:
        handler = Handler(function, ("channel", *pattern.parameters), takes_payload=True)
        self._handlers.append((pattern, handler))

    def find(self, channel: str) -> tuple[Handler, Mapping[str, str]] | None:
        """The handler for a channel, and what it may ask for by name."""
        for pattern, handler in self._handlers:
            if (values := pattern.match(channel)) is not None:
                return handler, {"channel": channel, **values}
        return None


class HandledApplication:
    """Calls the registered handlers, as the `Application` of a node. `others` decide what no handler fits."""

    def __init__(self, others: Application = NO_APPLICATION) -> None:
        self.others = others
        self.on_connect: Handler | None = None
        self.on_message: Handler | None = None
        self.on_unsubscribe: Handler | None = None
        self.on_disconnect: Handler | None = None
        self.on_subscribe = ChannelHandlers()
        self.on_publish = ChannelHandlers()
        self.rpc: dict[str, Handler] = {}

    # Which decisions are the application's.

    def handles_connect(self) -> bool:
        return self.on_connect is not None or self.others.handles_connect()

    def handles_subscribe(self, channel: str) -> bool:
        return self.on_subscribe.find(channel) is not None or self.others.handles_subscribe(channel)

    def handles_publish(self, channel: str) -> bool:
        return self.on_publish.find(channel) is not None or self.others.handles_publish(channel)

    def handles_rpc(self) -> bool:
        return bool(self.rpc) or self.others.handles_rpc()

    def handles_message(self) -> bool:
        return self.on_message is not None

    def handles_refresh(self) -> bool:
        return self.others.handles_refresh()

    def handles_sub_refresh(self, channel: str) -> bool:
        return self.others.handles_sub_refresh(channel)

    def hears_ends(self) -> bool:
        return self.on_unsubscribe is not None or self.on_disconnect is not None or self.others.hears_ends()

    def sees_clients(self) -> bool:
        if self.others.sees_clients():
            return True
        single = (self.on_connect, self.on_message, self.on_unsubscribe, self.on_disconnect)
        return bool(any(single) or self.on_subscribe or self.on_publish or self.rpc)

    # The decisions.

    async def connect(
        self, client: Client, request: ConnectRequest, grant: ConnectionGrant | None
    ) -> ConnectionGrant | None:
        if self.on_connect is None:
            return await self.others.connect(client, request, grant)
        self.others.note(client, request)
        verdict = await self.on_connect(client, payload=bytes(request.data))
        if isinstance(verdict, ConnectReply):
            with _answer_of(self.on_connect):
                return verdict.grant()
        if verdict is True:
            return grant
        raise PermissionDenied

    def note(self, client: Client, request: ConnectRequest) -> None:
        self.others.note(client, request)

    async def subscribe(self, client: Client, channel: str, data: bytes) -> SubscriptionGrant:
        if (found := self.on_subscribe.find(channel)) is None:
            return await self.others.subscribe(client, channel, data)
        handler, values = found
        verdict = await handler(client, values, data)
        if isinstance(verdict, SubscribeReply):
            with _answer_of(handler):
                return verdict.grant()
        if verdict is True:
            return SubscriptionGrant()
        raise PermissionDenied

    async def publish(self, client: Client, channel: str, data: bytes) -> PublicationGrant:
        if (found := self.on_publish.find(channel)) is None:
            return await self.others.publish(client, channel, data)
        handler, values = found
        verdict = await handler(client, values, data)
        if verdict is True:
            return PublicationGrant(data)
        if verdict is None or verdict is False:
            raise PermissionDenied
        with _answer_of(handler):
            return PublicationGrant(payloads.encode(verdict))

    async def refresh(self, client: Client) -> Renewal:
        return await self.others.refresh(client)

    async def sub_refresh(self, client: Client, channel: str) -> Renewal:
        return await self.others.sub_refresh(client, channel)

    async def call(self, client: Client, method: str, data: bytes) -> bytes:
        handler = self.rpc.get(method)
        if handler is None:
            if self.others.handles_rpc():
                return await self.others.call(client, method, data)
            raise MethodNotFound
        answer = await handler(client, payload=data)
        with _answer_of(handler):
            return payloads.encode(answer)

    async def message(self, client: Client, data: bytes) -> None:
        assert self.on_message is not None
        await self.on_message(client, payload=data)

    async def unsubscribed(self, client: Client, channel: str, code: int) -> None:
        await self.others.unsubscribed(client, channel, code)
        if self.on_unsubscribe is not None:
            await self.on_unsubscribe(client, {"channel": channel, "code": code})

    async def disconnected(self, client: Client, code: int, reason: str) -> None:
        await self.others.disconnected(client, code, reason)
        if self.on_disconnect is not None:
            await self.on_disconnect(client, {"code": code, "reason": reason})


@contextmanager
def _answer_of(handler: Handler) -> Iterator[None]:
    """What cannot be encoded in a handler's answer is the handler's mistake, and not a bad request of the client's."""
    try:
        yield
    except BadRequest as error:
        raise TypeError(f"the answer of {handler} {error.message}") from error
