"""How spans leave: what waits is bounded, and one line says that nobody takes them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tidings.observability import collector
from tidings.observability.collector import Collector, Queue, Sender, Terms, address

pytestmark = pytest.mark.shell

NOISE = logging.getLogger(collector.NOISY[0])


class Door(SpanExporter):
    """Where spans go; it may be closed, and then complains as OpenTelemetry's own exporter does."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.result = SpanExportResult.SUCCESS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.open.wait(10)
        if self.result is not SpanExportResult.SUCCESS:
            NOISE.warning("trying again")
            NOISE.error("giving up")
        return self.result


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(record.msg) for record in caplog.records]


@pytest.mark.parametrize(("size", "delay"), [("100", "0"), ("0", "-1"), ("many", "soon")])
def test_variables_that_make_no_sense(environment: Any, size: str, delay: str) -> None:
    """They count as absent: nobody's publication fails because of them. A short queue has short batches."""
    environment(OTEL_BSP_MAX_QUEUE_SIZE=size, OTEL_BSP_SCHEDULE_DELAY=delay)
    collector = Collector(Terms("http://127.0.0.1:9"))
    provider = collector.provider()
    assert collector.counts() == {"sent": 0, "lost": 0}
    provider.shutdown()


def test_spans_that_cannot_be_sent(caplog: pytest.LogCaptureFixture) -> None:
    """They are lost, said and counted, and take nobody's place in the queue."""

    class Broken(Door):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            raise UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed")

    sender = Sender(Broken())
    queue = Queue(sender, 10)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    for _ in range(3):
        for _ in range(10):
            provider.get_tracer("test").start_span("one").end()
        queue.force_flush()
    provider.shutdown()
    assert (sender.lost, queue.refused) == (30, 0)
    assert len(said(caplog)) == 1 and "the collector takes no spans" in said(caplog)[0]


def test_more_than_may_wait() -> None:
    """The newest are refused and counted; those that found room are sent. Nobody waits."""
    door = Door()
    sender = Sender(door)
    queue = Queue(sender, 600)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    tracer = provider.get_tracer("test")
    began = time.monotonic()
    for _ in range(1000):
        tracer.start_span("one").end()
    assert time.monotonic() - began < 5.0
    assert queue.refused == 400
    door.open.set()
    provider.shutdown()
    assert (sender.sent, sender.lost) == (600, 0)


def test_one_line_about_a_collector_that_takes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """However often it fails; and one when it takes them again. What others log about sending is their own business."""
    door = Door()
    door.open.set()
    sender, spans = Sender(door), [ReadableSpan("one")] * 3
    with caplog.at_level(logging.INFO):
        sender.export(spans)
        door.result = SpanExportResult.FAILURE
        for _ in range(3):
            sender.export(spans)
        door.result = SpanExportResult.SUCCESS
        sender.export(spans)
        NOISE.warning("somebody else's")
    assert said(caplog) == [
        'the collector takes no spans reason="giving up" lost=3',
        "the collector takes spans again lost=9",
        "somebody else's",
    ]
    assert (sender.sent, sender.lost) == (6, 9)


@pytest.mark.parametrize(
    ("endpoint", "where"),
    [
        ("", None),
        ("http://h:4318", "http://h:4318/v1/traces"),
        ("http://h:4318/", "http://h:4318/v1/traces"),
        ("https://h/otlp", "https://h/otlp/v1/traces"),
        ("https://h/v1/traces", "https://h/v1/traces"),
    ],
)
def test_where_spans_are_sent(endpoint: str, where: str | None) -> None:
    assert address(endpoint) == where


@pytest.mark.parametrize(("ratio", "variable", "expected"), [(1.0, "", 1.0), (0.25, "always_off", 0.25)])
def test_the_settings_win_over_the_variables(ratio: float, variable: str, expected: float, environment: Any) -> None:
    """Where they say anything."""
    environment(OTEL_TRACES_SAMPLER=variable, OTEL_SERVICE_NAME="by-variable")
    provider = Collector(Terms("http://127.0.0.1:9", ratio, "by-settings")).provider()
    assert f"TraceIdRatioBased{{{expected}}}" in provider.sampler.get_description()
    assert provider.resource.attributes["service.name"] == "by-settings"
    provider.shutdown()


async def test_a_collector_that_was_never_needed() -> None:
    """Has no thread to end, and has counted nothing."""
    before = threading.active_count()
    unused = Collector(Terms())
    await asyncio.wait_for(unused.stop(), 1.0)
    assert unused.counts() == {"sent": 0, "lost": 0}
    assert threading.active_count() == before
