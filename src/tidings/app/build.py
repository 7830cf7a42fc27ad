"""From settings to a node: the one place where all parts meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from tidings.app import capabilities
from tidings.app.settings import Settings
from tidings.app.settings.sections import Proxies
from tidings.app.webhooks import Webhooks
from tidings.brokers.base import Broker
from tidings.brokers.memory import MemoryBroker
from tidings.channels.namespaces import Namespaces
from tidings.channels.options import ChannelOptions
from tidings.clock import Clock, SystemClock
from tidings.errors import SettingsError
from tidings.events import Fact
from tidings.gateway.admission import Rates
from tidings.gateway.application import Application, NoApplication
from tidings.gateway.keys import Trust, Verifies
from tidings.gateway.node import Limits, Node
from tidings.gateway.session import Policy, Rules
from tidings.gateway.transports.base import TransportTerms
from tidings.hooks import Hooks
from tidings.traces import Tracer


class Tracing(NamedTuple):
    """Makes spans, and also hears facts. `counts` are those sent and lost, `stop` sends the last ones."""

    tracer: ListeningTracer
    counts: Callable[[], Mapping[str, int]]
    stop: Callable[[], Awaitable[None]]


class ListeningTracer(Tracer, Protocol):
    """Adds spans of its own for what happens without one."""

    def __call__(self, fact: Fact) -> None: ...


NO_PROXIES = Proxies()

QUEUED_MESSAGES = 4
"""How many of the largest messages may wait behind a command of one connection; of smaller ones as many more."""


def node(
    settings: Settings,
    *,
    application: Application | None = None,
    hooks: Hooks | None = None,
    clock: Clock | None = None,
    carrier: Broker | None = None,
    version: str = "",
    verifier: Verifies | None = None,
    tracer: Tracer | None = None,
    namespaces: Namespaces | None = None,
) -> Node:
    """A node as the settings want it, not yet started.

    `carrier` is the broker, `verifier` knows whose tokens count, and `namespaces` are the options of channels, where
    they are not the ones that the settings name. Raises `SettingsError`.
    """
    clock, hooks = clock or SystemClock(), hooks or Hooks()
    carrier = carrier or broker(settings, clock)
    capabilities.check(settings, carrier)
    client = settings.client
    policy = Policy(
        rules=rules(settings),
        namespaces=namespaces or Namespaces(settings.channels, settings.namespaces),
        verifier=verifier or trust(settings, hooks, clock),
        handlers=application or NoApplication(),
        hooks=hooks,
        version=version,
        tracer=tracer,
    )
    return Node(
        carrier,
        policy,
        application or NoApplication(),
        clock=clock,
        limits=Limits(
            connections=client.connection_limit,
            connections_per_user=client.user_connection_limit,
            queue_bytes=client.queue_limit_bytes,
            recovery=client.history_limit,
            rates=Rates(**{key: settings.limits.rate(key) for key in Rates.__struct_fields__}),
        ),
        allowed_origins=client.allowed_origins,
        lease=settings.broker.lease,
        drain_timeout=settings.server.drain_timeout,
        alone=isinstance(carrier, MemoryBroker) and carrier.is_alone,
    )


def trust(settings: Settings, hooks: Hooks, clock: Clock) -> Trust:
    """Who may sign tokens, as the settings want it."""
    return Trust(settings.auth.connections, settings.auth.subscriptions, hooks=hooks, clock=clock)


def rules(settings: Settings) -> Rules:
    """What concerns a single connection."""
    client = settings.client
    return Rules(
        insecure=client.insecure,
        anonymous=client.anonymous,
        personal_channel=client.personal_channel,
        ping_interval=client.ping_interval,
        pong_timeout=client.pong_timeout,
        stale_timeout=client.stale_timeout,
        channel_limit=client.channel_limit,
        history_limit=client.history_limit,
        command_queue_limit=client.command_queue_limit,
        command_queue_bytes=QUEUED_MESSAGES * client.message_limit_bytes,
    )


def terms(settings: Settings) -> TransportTerms:
    """What concerns a single transport."""
    client = settings.client
    return TransportTerms(message_limit_bytes=client.message_limit_bytes, compression=client.compression)


def broker(settings: Settings, clock: Clock) -> Broker:
    """The broker that the settings name. Raises `SettingsError` for one that cannot be had."""
    section = settings.broker
    scheme, _, _ = section.url.partition("://")
    if scheme == "memory":
        return MemoryBroker(clock)
    if scheme.startswith("redis"):
        with _needed("hiredis", "redis", "[broker] url"):
            from tidings.brokers.redis import RedisBroker, parse
        return RedisBroker(
            parse(section.url),
            clock,
            prefix=section.prefix,
            publish_timeout=section.publish_timeout,
            publish_queue_limit=section.publish_queue_limit,
        )
    if scheme in ("nats", "tls"):
        with _needed("nats", "nats", "[broker] url"):
            from tidings.brokers import nats
        return nats.NatsBroker(
            nats.parse(section.url),
            clock,
            prefix=section.prefix,
            publish_timeout=section.publish_timeout,
            publish_queue_limit=section.publish_queue_limit,
        )
    raise SettingsError(f'[broker] url = "{scheme}://…": there are memory://, redis:// and its variants, and nats://.')


def tracing(settings: Settings) -> Tracing | None:
    """Where spans come from and go to, where the settings want any. Raises `SettingsError` without the extra `otel`."""
    section = settings.tracing
    if not section.enabled:
        return None
    with _needed("opentelemetry", "otel", "[tracing] enabled"):
        from tidings.observability.collector import Collector, Terms
        from tidings.observability.traces import OpenTelemetryTracer
    collector = Collector(Terms(section.endpoint, section.sample_ratio, section.service_name))
    return Tracing(OpenTelemetryTracer(collector.provider), collector.counts, collector.stop)


def check(settings: Settings) -> None:
    """Make sure that a node can be built. Connects to nothing. Raises `SettingsError`."""
    tracing(settings)
    clock = SystemClock()
    capabilities.check(settings, broker(settings, clock))
    Webhooks(settings, Namespaces(settings.channels, settings.namespaces), Hooks(), clock)


@contextmanager
def _needed(module: str, extra: str, by: str) -> Iterator[None]:
    """Around the import of a part that comes with an extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module:
            raise
        raise SettingsError(
            f'{by} needs {module}: pip install "tidings[{extra}]", or ".[{extra}]" in a clone.'
        ) from error


def channel_options(namespace: str, options: Mapping[str, Any], proxies: Proxies = NO_PROXIES) -> ChannelOptions:
    """The options of a namespace, checked as the settings check them, with these endpoints. Raises `SettingsError`."""
    endpoints = {event: {"endpoint": proxy.endpoint} for event, proxy in proxies}
    return Settings.of({"channels": {"namespaces": {namespace: options}}, "proxy": endpoints}).namespaces[namespace]
