"""Tidings as a library: one object that is an ASGI application, and that a back end publishes through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from tidings import events
from tidings.app import build, capabilities, routes
from tidings.app.application import ChannelHandlers, HandledApplication
from tidings.app.handlers import Function, Handler
from tidings.app.patterns import Pattern
from tidings.app.publishing import publish
from tidings.app.renewal import Renewal
from tidings.app.renewal.differences import Change
from tidings.app.replies import SubscribeReply
from tidings.app.settings import Settings
from tidings.app.webhooks import Webhooks
from tidings.brokers.base import Guard, Page
from tidings.channels import names
from tidings.channels.namespaces import Namespaces
from tidings.clock import Clock, SystemClock
from tidings.errors import BrokerUnavailable, Disconnect
from tidings.gateway.admission import TrustedProxies
from tidings.hooks import Hooks
from tidings.model import ClientInfo, StreamPosition
from tidings.observability.logs import LogListener
from tidings.observability.metrics import Metrics
from tidings.traces import Kind
from tidings.version import __version__
from tidings.wire import payloads
from tidings.wire.centrifuge import messages

F = TypeVar("F", bound=Function)

ALLOWED = SubscribeReply()

UNTRACED = nullcontext()

START_PAUSE = 0.5
"""Seconds between two attempts to start while the broker is away."""


class Tidings:
    """A real-time hub inside an ASGI application.

    >>> hub = Tidings()
    >>> app.mount("/realtime", hub)
    >>> await hub.publish("orders:42", {"status": "shipped"})

    `broker` is a URL; without one, publications stay within the process. `settings` are a mapping or a TOML file shaped
    as `tidings.toml`, or ready-made `Settings`; without them they are read as `tidings serve` reads them. `hooks` hear
    what happens. Raises `SettingsError`, and `TypeError` for a broker beside ready-made settings, which name theirs.

    The hub starts by itself with the first request or call. To stop it in order, and to start it before the first
    request, make it part of the application's life: `FastAPI(lifespan=hub.lifespan)` or `async with hub`.
    """

    def __init__(
        self,
        broker: str | None = None,
        *,
        settings: Settings | Mapping[str, Any] | Path | str | None = None,
        hooks: Hooks | None = None,
        clock: Clock | None = None,
        extra_routes: Iterable[BaseRoute] = (),
    ) -> None:
        self.settings = _settings(settings, broker)
        self.hooks = hooks or Hooks()
        clock = clock or SystemClock()
        namespaces = Namespaces(self.settings.channels, self.settings.namespaces)
        self._webhooks = Webhooks(self.settings, namespaces, self.hooks, clock)
        self._application = HandledApplication(self._webhooks.application)
        self._broker = build.broker(self.settings, clock)
        self._trust = build.trust(self.settings, self.hooks, clock)
        self._tracing = build.tracing(self.settings)
        self.node = build.node(
            self.settings,
            application=self._application,
            hooks=self.hooks,
            clock=clock,
            carrier=self._broker,
            version=__version__,
            verifier=self._trust,
            tracer=self._tracing.tracer if self._tracing else None,
            namespaces=namespaces,
        )
        self._webhooks.attend(self.node)
        self.renewal = Renewal(self.settings, self._trust, self.hooks, self._take)
        self.metrics = Metrics(__version__, users=lambda: len(self.node.users), channels=self.node.hub.channels)
        self.hooks.listen(self.metrics)
        self._log = LogListener(self.node.clock)
        self.hooks.listen(self._log)
        if self._tracing is not None:
            self.hooks.listen(self._tracing.tracer)
            self.metrics.spans = self._tracing.counts
        clients = [*routes.clients(self.node, self.settings), *routes.everybody(self.node)]
        operators = [
            *routes.operators(self.node, self.settings, self.metrics, api_key=lambda: self.settings.api.secret),
            *extra_routes,
        ]
        self._proxies = TrustedProxies(self.settings.server.trusted_proxies)
        self._whole = Router([*clients, *operators], lifespan=self.lifespan)
        self.public: ASGIApp = Half(self, Router(clients, lifespan=self.lifespan))
        """What clients are served, for an address where back ends and operators are not."""
        self.internal: ASGIApp = Half(self, Router([*operators, *routes.everybody(self.node)]))
        """What back ends and operators are served, for an address where clients are not."""

    def __repr__(self) -> str:
        return f"<Tidings with {self.node!r}>"

    # Life.

    async def start(self) -> None:
        """Start, unless it has been started. Raises `BrokerUnavailable`."""
        await self.node.start()
        self._trust.start()
        await self.renewal.start()

    async def stop(self) -> None:
        """Send all clients away, finish what was begun, and let the broker go. A hub does not start again."""
        async with AsyncExitStack() as rest:  # Each stops, whatever becomes of those before it.
            rest.callback(self._log.finish)
            if self._tracing is not None:
                rest.push_async_callback(self._tracing.stop)
            rest.push_async_callback(self._trust.stop)
            rest.push_async_callback(self.renewal.stop)
            rest.push_async_callback(self._webhooks.stop)
            await self.node.stop()

    async def reload(self, settings: Settings | Mapping[str, Any] | Path | str | None = None) -> Change:
        """Read the settings anew from where they came, or take the given ones; keys count at once.

        What may change while the hub runs is all of `[auth]` and the key of the API; under `tidings serve` also the
        certificate and the level of the log. Everything else stays as it is, and is named in `restart` of what this
        returns. Files are watched anyway, so there is no need to call this when one of them has changed.

        Raises `SettingsError`, and then nothing has changed.
        """
        given = None if settings is None else await asyncio.to_thread(_settings, settings, None)
        return await self.renewal.reload(given)

    def _take(self, settings: Settings) -> None:
        self.settings = settings

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncIterator[None]:
        """The lifespan of the application that this hub is mounted in.

        It begins even while the broker is away: the hub then answers that it is, and starts when the broker is there.
        """
        starting = None
        try:
            await self.start()
        except BrokerUnavailable as error:
            self.hooks.announce(events.BrokerLost(error.message))
            starting = asyncio.create_task(self._start_at_last(), name="start of the hub")
        try:
            yield
        finally:
            if starting is not None:
                starting.cancel()
                await asyncio.wait([starting])
            await self.stop()

    async def _start_at_last(self) -> None:
        while not self.node.is_started:
            await asyncio.sleep(START_PAUSE)
            with suppress(BrokerUnavailable):
                await self.start()
        await self.start()  # Somebody may have asked for the node alone, and found the broker.
        self.hooks.announce(events.BrokerResumed())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve ASGI requests below wherever the hub is mounted, or as the whole application.

        While the broker is away, everything answers and says so.
        """
        await self.serve(self._whole, scope, receive, send)

    async def serve(self, within: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what is within the hub: the hub is started, and the client's address is what its proxies say."""
        if scope["type"] != "lifespan":
            # A server that trusts the same proxies has done it already, and then this changes nothing.
            scope = self._proxies.seen_through(scope)
            if not self.node.is_started:
                with suppress(BrokerUnavailable):
                    await self.start()
        await within(scope, receive, send)

    # The application's decisions.

    def namespace(self, name: str, **options: Any) -> None:
        """Set the options of a namespace, as `[channels.namespaces.NAME]` would; before the first request.

        Raises `SettingsError`, also for what the broker cannot do.
        """
        checked = build.channel_options(name, options, self.settings.proxy)
        capabilities.check_namespace(name, checked, self._broker, capabilities.broker_name(self.settings))
        self.node.policy.namespaces.define(name, checked)

    def on_connect(self, function: F) -> F:
        """Decide who may connect: `async def (client, data)`.

        `client.user` is whom the token names, "" without a token. True accepts whoever has a token (or everybody, where
        the settings let anonymous clients in), a `ConnectReply` accepts on its own terms; everything else refuses.
        """
        self._application.on_connect = Handler(function, takes_payload=True)
        return function

    def on_subscribe(self, pattern: str) -> Callable[[F], F]:
        """Decide who may subscribe to channels that fit the pattern: `async def (client, …, data)`.

        True allows, a `SubscribeReply` allows on its terms, everything else refuses. Where a client brings a
        subscription token, or the channel is limited to users by its name, the handler is not asked. A namespace that
        the pattern names and the settings do not know is created, with the options of channels without a namespace.
        """
        return self._channel_handler(pattern, self._application.on_subscribe)

    def on_publish(self, pattern: str) -> Callable[[F], F]:
        """Decide about what clients publish to channels that fit the pattern: `async def (client, …, data)`.

        True publishes it as it is, another value publishes that instead, False and None refuse.
        """
        return self._channel_handler(pattern, self._application.on_publish)

    def rpc(self, name: str) -> Callable[[F], F]:
        """Answer a client's call: `async def (client, request) -> answer`."""
        _require_text(name, '@hub.rpc("quote")')

        def register(function: F) -> F:
            self._application.rpc[name] = Handler(function, takes_payload=True)
            return function

        return register

    def on_message(self, function: F) -> F:
        """Take what a client sends without waiting for an answer: `async def (client, data)`."""
        self._application.on_message = Handler(function, takes_payload=True)
        return function

    def on_unsubscribe(self, function: F) -> F:
        """Hear that a subscription ended: `async def (client, channel, code)`; the code is 0 if the client ended it."""
        self._application.on_unsubscribe = Handler(function, ("channel", "code"))
        return function

    def on_disconnect(self, function: F) -> F:
        """Hear that a client is gone: `async def (client, code, reason)`. The last call for that client."""
        self._application.on_disconnect = Handler(function, ("code", "reason"))
        return function

    def _channel_handler(self, text: str, handlers: ChannelHandlers) -> Callable[[F], F]:
        _require_text(text, '@hub.on_subscribe("orders:{order_id}")')
        pattern = Pattern(text)

        def register(function: F) -> F:
            handlers.add(pattern, function)
            self._know_namespace(text)
            return function

        return register

    def _know_namespace(self, pattern: str) -> None:
        name, namespaces = names.namespace(pattern), self.node.policy.namespaces
        if "{" not in name and not namespaces.knows(name):
            namespaces.define(name, self.settings.channels)

    # The back end's doors.

    async def publish(
        self,
        channel: str,
        data: object,
        *,
        tags: Mapping[str, str] = {},
        idempotency_key: str = "",
        skip_history: bool = False,
    ) -> StreamPosition:
        """Publish to a channel, and return where in its stream; the zero position in a channel without history.

        `data` is anything that JSON can say, or bytes that are encoded already. Two calls with the same
        `idempotency_key` within five minutes publish once. The broker has the publication when this returns. Cancelled,
        it may or may not have been published.

        Raises `UnknownChannel`, `BadRequest` and `BrokerUnavailable`, which is temporary.
        """
        await self.start()
        with self._span("hub.publish"):
            accepted = await publish(
                self.node,
                channel,
                payloads.encode(data),
                tags=tags,
                guard=Guard(idempotency_key=idempotency_key),
                skip_history=skip_history,
            )
        return accepted.position

    async def broadcast(
        self, channels: Iterable[str], data: object, *, tags: Mapping[str, str] = {}
    ) -> list[StreamPosition]:
        """Publish the same to many channels, in their order. Stops at, and raises, the first failure."""
        if isinstance(channels, str):
            raise TypeError("broadcast takes a list of channels; use publish for a single one")
        encoded = payloads.encode(data)
        await self.start()
        with self._span("hub.broadcast"):
            return [(await publish(self.node, channel, encoded, tags=tags)).position for channel in channels]

    def _span(self, name: str) -> AbstractContextManager[object]:
        """What a back end's call is to a trace. Opened after the start, whose tasks outlive the call."""
        return UNTRACED if self._tracing is None else self._tracing.tracer.span(name, Kind.INTERNAL, {})

    async def history(
        self,
        channel: str,
        *,
        since: StreamPosition | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Page:
        """Read what a channel keeps: publications after `since`, at most `limit`, and where the stream ends.

        Raises `NotAvailable` in a channel without history, `UnrecoverablePosition` when `since` is of another epoch.
        """
        await self.start()
        return await self.node.hub.history(channel, since=since, limit=limit, reverse=reverse)

    async def presence(self, channel: str) -> Mapping[str, ClientInfo]:
        """Everybody in a channel, by client id. Raises `NotAvailable` where presence is off."""
        await self.start()
        return await self.node.hub.presence(channel)

    async def subscribe(
        self, user: str, channel: str, reply: SubscribeReply = ALLOWED, *, persist: bool = False
    ) -> None:
        """Subscribe all of a user's connections to a channel, on all nodes; those that are subscribed already stay so.

        With `persist` the user is subscribed again whenever they connect, until `unsubscribe`.

        Raises `UnknownChannel`, `LimitExceeded` and `BrokerUnavailable`.
        """
        await self.start()
        await self.node.orders.subscribe(user, channel, reply.grant(), persist=persist)

    async def unsubscribe(self, user: str, channel: str = "") -> None:
        """End a user's subscriptions to a channel, or to all channels, on all nodes. Raises `BrokerUnavailable`."""
        await self.start()
        await self.node.orders.unsubscribe(user, channel)

    async def disconnect(self, user: str, code: int = 3503, reason: str = "force disconnect") -> None:
        """End all connections of a user, on all nodes. The code decides whether they come back: see `Disconnect`.

        Raises `ValueError` for a code or a reason that cannot be sent, and `BrokerUnavailable`.
        """
        ended = Disconnect(code, reason)
        await self.start()
        await self.node.orders.disconnect(user, messages.Disconnect(ended.code, ended.reason))


class Half:
    """A part of what a hub serves, as an application of its own."""

    def __init__(self, hub: Tidings, routes: ASGIApp) -> None:
        self._hub = hub
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._hub.serve(self._routes, scope, receive, send)


def _settings(given: Settings | Mapping[str, Any] | Path | str | None, broker: str | None) -> Settings:
    if isinstance(given, Settings):
        if broker is not None:
            raise TypeError("name the broker either in the settings or by its URL, not both")
        return given
    if broker is not None and not isinstance(broker, str):
        raise TypeError(f"the broker is named by its URL; write Tidings(settings={type(broker).__name__}(…))")
    flags: dict[str, Any] = {"broker.url": broker}
    if isinstance(given, Mapping):
        return Settings.of({**given, **({} if broker is None else flags)})
    return Settings.load(None if given is None else Path(given), overrides=flags)


def _require_text(given: object, example: str) -> None:
    """A decorator without its parentheses would take the function for the name, and register nothing."""
    if not isinstance(given, str):
        raise TypeError(f"{given!r} is not a name; write {example}")
