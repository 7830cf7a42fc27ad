"""What a node counts, for Prometheus.

Every label has few values: namespaces are those of the settings, methods, policies and transports are ours, and codes
that nobody has given a meaning are "other". No label names a channel or a user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidings import events
from tidings.channels.names import namespace
from tidings.events import Fact
from tidings.observability import sums
from tidings.observability.measures import Measures
from tidings.observability.sums import Reading
from tidings.observability.webhooks import WebhookCounts
from tidings.wire.centrifuge import codes

OTHER = "other"


class Metrics:
    """Counts facts, as a listener; speaks Prometheus, as a collector.

    >>> metrics = Metrics(version, users=lambda: len(node.users), channels=node.hub.channels)
    >>> hooks.listen(metrics)

    `users` and `channels`, the numbers of subscribers by channel, are asked when Prometheus asks. What an application
    adds to `registry` is exposed as well. Belongs to the event loop of its node, like the facts.

    Where several processes share a port, `others` gets the readings of the others for whoever asks this one, and
    `worker` is what this one is called among them. Where spans are sent to a collector, `spans` says
    how many were, and how many were not.
    """

    def __init__(self, version: str, *, users: Callable[[], int], channels: Callable[[], Mapping[str, int]]) -> None:
        self.registry = _of_the_process()
        self.worker = ""
        self.others: Callable[[], Awaitable[list[Reading]]] | None = None
        self.spans: Callable[[], Mapping[str, int]] | None = None
        self._version = version
        self._users = users
        self._channels = channels
        measures = self._measures = Measures()
        self._connections = measures.gauge("tidings_connections", "Connected clients.", "transport", "codec")
        self._connecting = measures.histogram("tidings_connect_duration_seconds", "From open transport to connected.")
        self._disconnects = measures.counter("tidings_disconnects", "Connections that ended.", "code")
        self._refusals = measures.counter("tidings_refusals", "Connections refused by HTTP status.", "status")
        self._commands = measures.histogram("tidings_command_duration_seconds", "From command to reply.", "method")
        self._errors = measures.counter("tidings_errors", "Commands answered with an error.", "method", "code")
        self._recoveries = measures.counter("tidings_recoveries", "Subscriptions with a wish to recover.", "outcome")
        self._calls = measures.counter("tidings_api_requests", "Calls of the HTTP API.", "method", "status", "code")
        self._calling = measures.histogram("tidings_api_request_duration_seconds", "From call to answer.", "method")
        self._api_errors = measures.counter(
            "tidings_api_errors", "Commands of the API with an error.", "method", "code"
        )
        self._publications = measures.counter("tidings_publications", "Publications accepted.", "namespace")
        self._publishing = measures.histogram("tidings_publish_duration_seconds", "From publish call to acceptance.")
        self._deliveries = measures.counter("tidings_deliveries", "Publications times subscribers.", "namespace")
        self._delivered = measures.counter("tidings_delivered_bytes", "Payload bytes of deliveries.", "namespace")
        self._age = measures.histogram("tidings_delivery_age_seconds", "From acceptance to the last local delivery.")
        self._drops = measures.counter("tidings_drops", "Queued publications given up.", "namespace", "policy")
        self._limited = measures.counter("tidings_rate_limited", "What rate limits refused.", "limit")
        self._pauses = measures.counter("tidings_reading_pauses", "Clients not read for a while.", "limit")
        self._forgotten = measures.counter("tidings_rate_forgotten", "Too many to be limited each.", "limit")
        self._gaps = measures.counter("tidings_gaps", "Gaps in channels' live publications.", "filled")
        self._losses = measures.counter("tidings_broker_losses", "How often the broker could not be reached any more.")
        self._absence = measures.gauge("tidings_broker_away", "Whether the broker cannot be reached now.")
        self._absence.add(0)
        self._tokens = measures.counter("tidings_tokens_refused", "Tokens that were refused.", "kind", "reason")
        self._fetches = measures.counter("tidings_key_fetches", "Requests for key sets.", "source", "outcome")
        self._keys = measures.gauge("tidings_keys", "Usable keys of the last key set that came.", "source")
        self._keys_away = measures.gauge(
            "tidings_keys_away", "Whether the last request for a key set failed.", "source"
        )
        self._reloads = measures.counter("tidings_reloads", "How often settings were read anew.", "outcome")
        self._begin_at_zero()
        self._counts = self._counting()

    def _counting(self) -> Mapping[type[Fact], Callable[[Any], None]]:
        """What is done about each kind of fact that counts."""
        return {
            events.ConnectionOpened: self._opened,
            events.ConnectionClosed: self._closed,
            events.ConnectionRefused: self._refused,
            events.CommandHandled: self._handled,
            events.ApiCallHandled: self._called,
            events.ApiCommandRefused: self._api_refused,
            events.Subscribed: self._subscribed,
            events.Published: self._published,
            events.Delivered: self._wrote,
            events.Dropped: self._dropped,
            events.RateLimited: lambda fact: self._limited.add(1, fact.limit),
            events.ReadingPaused: lambda fact: self._pauses.add(1, fact.limit),
            events.RateForgotten: lambda fact: self._forgotten.add(1, fact.limit),
            events.GapFound: self._gap,
            events.BrokerLost: self._lost,
            events.BrokerResumed: self._resumed,
            events.TokenRefused: self._refused_token,
            events.KeysFetched: self._fetched_keys,
            events.KeysUnreachable: self._missed_keys,
            events.SettingsReloaded: self._reloaded,
            events.SettingsRefused: self._refused_settings,
            **WebhookCounts(self._measures).facts,
        }

    def _begin_at_zero(self) -> None:
        """What alerts look at is there before it first happens: where a counter appears as 1, no rate sees it grow."""
        self._losses.add(0)
        for outcome in ("recovered", "not_recovered"):
            self._recoveries.add(0, outcome)
        for filled in ("yes", "no"):
            self._gaps.add(0, filled)
        for status in ("403", "503"):
            self._refusals.add(0, status)
        self._disconnects.add(0, str(codes.SLOW.code))

    # In: facts.

    def __call__(self, fact: Fact) -> None:
        count = self._counts.get(type(fact))
        if count is not None:
            count(fact)

    def _opened(self, fact: events.ConnectionOpened) -> None:
        self._connections.add(1, fact.transport, fact.codec)
        self._connecting.observe(fact.waited)

    def _closed(self, fact: events.ConnectionClosed) -> None:
        if fact.client:
            self._connections.add(-1, fact.transport, fact.codec)
        self._disconnects.add(1, _close_code(fact.code))

    def _refused(self, fact: events.ConnectionRefused) -> None:
        self._refusals.add(1, str(fact.status))

    def _handled(self, fact: events.CommandHandled) -> None:
        self._commands.observe(fact.lasted, fact.method)
        if fact.code:
            self._errors.add(1, fact.method, _error_code(fact.code))

    def _called(self, fact: events.ApiCallHandled) -> None:
        self._calls.add(1, fact.method, str(fact.status), _error_code(fact.code) if fact.code else "0")
        self._calling.observe(fact.lasted, fact.method)

    def _api_refused(self, fact: events.ApiCommandRefused) -> None:
        self._api_errors.add(1, fact.method, _error_code(fact.code))

    def _subscribed(self, fact: events.Subscribed) -> None:
        if fact.recovered is not None:
            self._recoveries.add(1, "recovered" if fact.recovered else "not_recovered")

    def _published(self, fact: events.Published) -> None:
        self._publications.add(1, namespace(fact.channel))
        self._publishing.observe(fact.lasted)

    def _wrote(self, fact: events.Delivered) -> None:
        if fact.subscribers:
            within = namespace(fact.channel)
            self._deliveries.add(fact.subscribers, within)
            self._delivered.add(fact.subscribers * fact.size_bytes, within)
            self._age.observe(fact.age)

    def _dropped(self, fact: events.Dropped) -> None:
        self._drops.add(fact.count, namespace(fact.channel), fact.policy)

    def _gap(self, fact: events.GapFound) -> None:
        self._gaps.add(1, "yes" if fact.filled else "no")

    def _lost(self, fact: events.BrokerLost) -> None:
        self._losses.add(1)
        self._absence.add(1)

    def _resumed(self, fact: events.BrokerResumed) -> None:
        self._absence.add(-1)

    def _refused_token(self, fact: events.TokenRefused) -> None:
        self._tokens.add(1, fact.kind, fact.reason)

    def _fetched_keys(self, fact: events.KeysFetched) -> None:
        self._fetches.add(1, fact.source, "ok")
        self._keys.set(fact.keys, fact.source)
        self._keys_away.set(0, fact.source)

    def _missed_keys(self, fact: events.KeysUnreachable) -> None:
        self._fetches.add(1, fact.source, "failed")
        self._keys_away.set(1, fact.source)

    def _reloaded(self, fact: events.SettingsReloaded) -> None:
        self._reloads.add(1, "restart_needed" if fact.restart else "ok")

    def _refused_settings(self, fact: events.SettingsRefused) -> None:
        self._reloads.add(1, "refused")

    # Out: to Prometheus.

    def collect(self) -> Iterator[Metric]:
        """What has been counted until now, without what is in `registry`."""
        yield InfoMetricFamily("tidings_build", "The version of Tidings.", {"version": self._version})
        yield GaugeMetricFamily("tidings_workers", "Processes whose numbers these are.", 1)
        subscribers = self._channels()
        yield GaugeMetricFamily("tidings_users", "Users with a connection, anonymous ones as one.", self._users())
        yield GaugeMetricFamily("tidings_channels", "Channels with subscribers.", len(subscribers))
        yield GaugeMetricFamily("tidings_subscriptions", "Subscriptions to channels.", sum(subscribers.values()))
        yield from self._measures.collect()
        if self.spans is not None:
            family = CounterMetricFamily("tidings_spans", "Spans for the collector.", labels=["outcome"])
            for outcome, count in self.spans().items():
                family.add_metric([outcome], count)
            yield family

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Everything as text, and its content type: the newest format that the `Accept` header asks for."""
        return _encoded(accept, self, self.registry)

    async def read(self) -> Reading:
        """Everything as values: counts are read here, in the event loop, files of the process in a thread."""
        counted = sums.families(self.collect())
        return Reading(self.worker, counted, await asyncio.to_thread(lambda: sums.families(self.registry.collect())))

    async def scrape(self, accept: str) -> tuple[bytes, str]:
        """`exposition` for use in the event loop; with `others`, for all of them together."""
        if self.others is None:
            return await asyncio.to_thread(_encoded, accept, _Page(self.collect()), self.registry)
        own, others = await asyncio.gather(self.read(), self.others())
        return await asyncio.to_thread(_encoded, accept, _Page(sums.total([own, *others])))


def route(metrics: Metrics) -> Route:
    """GET /metrics."""

    async def expose(request: Request) -> Response:
        body, content_type = await metrics.scrape(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})

    return Route("/metrics", expose)


class _Page:
    """Metrics as they were at one moment."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _of_the_process() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _encoded(accept: str, *collectors: Collector) -> tuple[bytes, str]:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):
        # A version that is not a number.
        encode, content_type = choose_encoder("")
    return encode(registry), content_type


def _close_code(code: int) -> str:
    """Codes of WebSocket, and those of libraries, frameworks and applications (RFC 6455, section 7.4.2)."""
    return str(code) if 1000 <= code <= 1015 or 3000 <= code <= 4999 else OTHER


def _error_code(code: int) -> str:
    """Codes of the protocol, and those that are free for applications."""
    return str(code) if 100 <= code <= 113 or 400 <= code <= 1999 else OTHER
