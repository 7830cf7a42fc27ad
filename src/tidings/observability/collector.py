"""Spans to a collector, over OTLP by HTTP: gathered and sent by a thread, never by the event loop.

What waits for the collector is bounded (`OTEL_BSP_MAX_QUEUE_SIZE`, 2,048 spans). A collector that is away or slow costs
the spans for which there is no room, or that it did not take in time, and one line in the log a minute; both are
counted. OpenTelemetry's own lines about it are left out.

What the settings leave at its default is up to the standard variables: `OTEL_EXPORTER_OTLP_ENDPOINT` and `…_HEADERS`,
`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence

from msgspec import Struct
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased

from tidings.observability.lines import Line
from tidings.version import __version__

LOGGER = logging.getLogger("tidings")

PATH = "/v1/traces"
NAME = "tidings"

FAREWELL = 3.0
"""Seconds that the last spans have to reach the collector when the node stops."""

SILENCE = 60.0
"""Seconds between two lines about a collector that takes nothing."""

QUEUE_LIMIT, BATCH_LIMIT, SCHEDULE_DELAY_MS = 2048, 512, 5000
"""What the standard variables say where they say nothing."""

NOISY = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
    "urllib3.connectionpool",
)


class Terms(Struct, frozen=True):
    """Where spans go, how many, and as whose. Empty texts, and a ratio of 1, leave it to the variables."""

    endpoint: str = ""
    sample_ratio: float = 1.0
    service_name: str = ""


class Collector:
    """A tracer provider of our own, made when it is first asked for."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._provider: TracerProvider | None = None
        self._sender: Sender | None = None
        self._queue: Queue | None = None

    def provider(self) -> TracerProvider:
        if self._provider is None:
            self._sender = Sender(OTLPSpanExporter(address(self._terms.endpoint)))
            self._queue = Queue(self._sender, _number("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_LIMIT))
            # Its own farewell at exit would wait for as long as the collector likes.
            self._provider = TracerProvider(_sampler(self._terms), _resource(self._terms), shutdown_on_exit=False)
            self._provider.add_span_processor(self._queue)
        return self._provider

    def counts(self) -> Mapping[str, int]:
        """How many spans were sent, and how many were not and never will be."""
        if self._sender is None or self._queue is None:
            return {"sent": 0, "lost": 0}
        return {"sent": self._sender.sent, "lost": self._sender.lost + self._queue.refused}

    async def stop(self) -> None:
        """Send what waits, for at most `FAREWELL` seconds. What then is left is given up."""
        if self._provider is None or self._sender is None:
            return
        loop, sent = asyncio.get_running_loop(), asyncio.Event()
        # A thread of its own: the loop would wait for one of its pool when it closes.
        threading.Thread(
            target=_shut_down, args=(self._provider, loop, sent), name="farewell to the collector", daemon=True
        ).start()
        try:
            async with asyncio.timeout(FAREWELL):
                await sent.wait()
        except TimeoutError:
            self._sender.shutdown()
            LOGGER.warning(Line("the last spans did not reach the collector in time", {"waited": FAREWELL}))


class Sender(SpanExporter):
    """Sends through another exporter, and says in one line what that says in ten. Runs in the thread that sends."""

    def __init__(self, inner: SpanExporter) -> None:
        self.taken = self.sent = self.lost = 0
        self._inner = inner
        self._fails = False
        self._spoke = -SILENCE
        self._quiet = _Quiet()
        self._is_over = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            with self._quiet:
                result = self._inner.export(spans)
        except Exception as error:  # Whatever it is, these spans make room for others.
            self._quiet.heard = f"{type(error).__name__}: {error}"
        self.taken += len(spans)
        if result is SpanExportResult.SUCCESS:
            self.sent += len(spans)
            if self._fails:
                LOGGER.info(Line("the collector takes spans again", {"lost": self.lost}))
        else:
            self.lost += len(spans)
            self._complain()
        self._fails = result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._inner.shutdown()
            self._quiet.end()

    def _complain(self) -> None:
        if time.monotonic() >= self._spoke + SILENCE:
            self._spoke = time.monotonic()
            said = {"reason": self._quiet.heard, "lost": self.lost}
            LOGGER.warning(Line("the collector takes no spans", said))


class Queue(BatchSpanProcessor):
    """What waits to be sent. Where there is no room left, the newest spans are refused, and counted."""

    def __init__(self, sender: Sender, limit: int) -> None:
        super().__init__(
            sender,
            max_queue_size=limit,
            # It would raise for a batch that is larger than the queue, and for numbers that make no sense.
            max_export_batch_size=min(limit, _number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH_LIMIT)),
            schedule_delay_millis=_number("OTEL_BSP_SCHEDULE_DELAY", SCHEDULE_DELAY_MS),
        )
        self.refused = 0
        self._sender = sender
        self._limit = limit
        self._accepted = 0

    def on_end(self, span: ReadableSpan) -> None:
        if self._accepted - self._sender.taken >= self._limit:
            self.refused += 1
        else:
            self._accepted += 1
            super().on_end(span)


class _Quiet(logging.Filter):
    """Inside the block nothing that this thread has to say about sending is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = ""
        """The last of what was left out."""
        self._thread = 0
        for name in NOISY:
            logging.getLogger(name).addFilter(self)

    def __enter__(self) -> None:
        self._thread = threading.get_ident()

    def __exit__(self, *exc_info: object) -> None:
        self._thread = 0

    def end(self) -> None:
        """Leave the loggers as they were."""
        for name in NOISY:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        self.heard = record.getMessage()
        return False


def address(endpoint: str) -> str | None:
    """Where to send to, by the collector's address with or without the path; None leaves it to the variables."""
    if not endpoint or endpoint.rstrip("/").endswith(PATH):
        return endpoint or None
    return endpoint.rstrip("/") + PATH


def _number(variable: str, default: int) -> int:
    """What a variable says, unless that is no number above zero."""
    try:
        said = int(os.environ.get(variable, default))
    except ValueError:
        return default
    return said if said > 0 else default


def _sampler(terms: Terms) -> Sampler | None:
    if terms.sample_ratio == 1.0 and os.environ.get("OTEL_TRACES_SAMPLER"):
        return None
    return ParentBased(TraceIdRatioBased(terms.sample_ratio))


def _resource(terms: Terms) -> Resource:
    # What the variables say wins over what is handed over here only if that is not there at all.
    named = Resource.create({SERVICE_VERSION: __version__})
    name = terms.service_name
    if not name and str(named.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        name = NAME
    return named.merge(Resource({SERVICE_NAME: name})) if name else named


def _shut_down(provider: TracerProvider, loop: asyncio.AbstractEventLoop, sent: asyncio.Event) -> None:
    provider.shutdown()
    if not loop.is_closed():
        loop.call_soon_threadsafe(sent.set)
