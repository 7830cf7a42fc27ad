"""Spans of OpenTelemetry: a `Tracer` that makes them, and a listener that adds what happens without one.

A publication's way is `POST /api/publish` (or another door) → `publish`, the call of the broker → `deliver`, once for
each node with subscribers. Where the application has configured a tracer provider, spans go into that one, and sampling
is its business; else they go to a collector, see `tidings.observability.collector`.

OpenTelemetry comes with the extra `otel`; nobody imports this module unless tracing is on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from tidings import events, traces
from tidings.events import Fact
from tidings.traces import Attributes, Kind, Trace
from tidings.version import __version__

KINDS = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.SERVER: SpanKind.SERVER,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}
NANOSECONDS = 1_000_000_000
EMPTY = Context()


class Span:
    """One of OpenTelemetry's as a `tidings.traces.Span`; inside the block it is current for both."""

    __slots__ = ("_before", "_given", "_made", "_token", "_tracer", "is_over", "is_recorded", "trace")

    def __init__(self, tracer: trace.Tracer, made: trace.Span, given: Context | None = None) -> None:
        self._tracer = tracer
        self._made = made
        self._given = given
        self.is_recorded = made.is_recording()
        self.is_over = False
        self.trace = _place(made.get_span_context())

    def __enter__(self) -> Self:
        self._before = traces.enter(self)
        self._token = context.attach(trace.set_span_in_context(self._made, self._given))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.fail(kind.__name__)
        self.is_over = True
        context.detach(self._token)
        traces.leave(self._before)
        self._made.end()

    def note(self, attributes: Attributes) -> None:
        for name, value in attributes.items():
            self._made.set_attribute(name, value)

    def fail(self, kind: str) -> None:
        self._made.set_attribute("error.type", kind)
        self._made.set_status(Status(StatusCode.ERROR))

    def child(self, name: str, kind: Kind, attributes: Attributes) -> Span:
        above = trace.set_span_in_context(self._made, self._given)
        return Span(self._tracer, self._tracer.start_span(name, above, KINDS[kind], attributes))


class OpenTelemetryTracer:
    """Makes spans, and hears facts as a listener.

    `own` makes the provider for those who have none; it is asked with the first span, so that an application may
    configure its own after it has made its hub.
    """

    def __init__(self, own: Callable[[], trace.TracerProvider]) -> None:
        self._own = own
        self._chosen: trace.Tracer | None = None

    def span(self, name: str, kind: Kind, attributes: Attributes, parent: Trace | None = None) -> Span:
        above = context.get_current()
        if parent is not None and not trace.get_current_span(above).get_span_context().is_valid:
            above = _below(parent)
        return self._open(name, kind, attributes, above)

    def root(self, name: str, kind: Kind, attributes: Attributes) -> Span:
        return self._open(name, kind, attributes, EMPTY)

    def __call__(self, fact: Fact) -> None:
        if isinstance(fact, events.Delivered) and fact.trace and fact.subscribers:
            self._delivered(fact)

    def _delivered(self, fact: events.Delivered) -> None:
        """Whether the delivery is recorded was decided where the trace began."""
        parent = Trace.parse(fact.trace)
        if parent is None:
            return
        ended = time.time_ns()
        attributes = {
            **traces.about(fact.channel, fact.size_bytes),
            "tidings.subscribers": fact.subscribers,
        }
        began = ended - round(fact.lasted * NANOSECONDS)
        span = self._tracer.start_span("deliver", _below(parent), SpanKind.CONSUMER, attributes, start_time=began)
        span.end(ended)

    def _open(self, name: str, kind: Kind, attributes: Attributes, above: Context) -> Span:
        return Span(self._tracer, self._tracer.start_span(name, above, KINDS[kind], attributes), above)

    @property
    def _tracer(self) -> trace.Tracer:
        if self._chosen is None:
            given = trace.get_tracer_provider()
            provider = self._own() if isinstance(given, trace.ProxyTracerProvider) else given
            self._chosen = provider.get_tracer("tidings", __version__)
        return self._chosen


def _below(parent: Trace) -> Context:
    """The context of a span that somebody else has made."""
    above = SpanContext(
        int(parent.trace_id, 16),
        int(parent.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(parent.flags),
        trace_state=TraceState.from_header([parent.state]) if parent.state else None,
    )
    return trace.set_span_in_context(NonRecordingSpan(above), EMPTY)


def _place(made: SpanContext) -> Trace:
    state = made.trace_state.to_header() if made.trace_state else ""
    return Trace(f"00-{made.trace_id:032x}-{made.span_id:016x}-{made.trace_flags:02x}", state)
