"""A publication's way as spans, in one process: where each begins, and whose child it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from io import StringIO
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode
from starlette.routing import Router
from tests.app.api.conftest import HANDSHAKE, KEY, SETTINGS, Reply, Site, Visitor

from tidings import events, traces
from tidings.app import build
from tidings.app.api import routes
from tidings.app.settings import Settings
from tidings.brokers.memory import MemoryBroker
from tidings.brokers.memory.backend import MemoryBackend
from tidings.clock import ManualClock
from tidings.errors import BrokerUnavailable
from tidings.events import Fact
from tidings.gateway.node import Node
from tidings.hooks import Hooks
from tidings.model import Publication
from tidings.observability import logs
from tidings.observability.traces import OpenTelemetryTracer
from tidings.wire.centrifuge.json import JSON

pytestmark = pytest.mark.shell

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
WANTED = b"traceparent", f"00-{TRACE}-{SPAN}-01".encode()
UNWANTED = b"traceparent", f"00-{TRACE}-{SPAN}-00".encode()


class Town:
    """Two nodes on one broker, whose spans go into one place. The API is that of the first."""

    def __init__(self, ratio: float) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(ParentBased(TraceIdRatioBased(ratio)), shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.facts: list[Fact] = []
        self.clock = ManualClock()
        backend = MemoryBackend()
        self.nodes = [self._node(backend) for _ in range(2)]
        self.site = Site(self.nodes[0], self.clock, self.facts, {})

    def _node(self, backend: MemoryBackend) -> Node:
        tracer = OpenTelemetryTracer(lambda: self.provider)
        hooks = Hooks(self.facts.append, tracer)
        settings = Settings.of({**SETTINGS, "client": {"insecure": True, "personal_channel": False}})
        broker = MemoryBroker(self.clock, backend)
        return build.node(settings, hooks=hooks, clock=self.clock, carrier=broker, tracer=tracer)

    async def visit(self, number: int, *channels: str) -> Visitor:
        visitor = Visitor()
        visitor.peer = self.nodes[number].join(visitor, JSON, HANDSHAKE)  # type: ignore[arg-type]
        await visitor.tell({"id": 1, "connect": {}})
        for channel in channels:
            await visitor.tell({"id": 2, "subscribe": {"channel": channel}})
        return visitor

    async def publish(self, channel: str, *headers: tuple[bytes, bytes]) -> Reply:
        body = json.dumps({"channel": channel, "data": {"secret": 1}, "tags": {"tag": "t"}}).encode()
        return await self.site.post("/api/publish", body, *headers)

    async def spans(self, count: int) -> Sequence[ReadableSpan]:
        """That many spans, in the order in which they ended."""
        async with asyncio.timeout(10):
            while len(self.exporter.get_finished_spans()) < count:
                await asyncio.sleep(0)
        spans = self.exporter.get_finished_spans()
        assert len(spans) == count, [span.name for span in spans]
        return spans


@pytest.fixture
async def open_town() -> AsyncIterator[Callable[..., Any]]:
    towns: list[Town] = []

    async def opened(ratio: float = 1.0) -> Town:
        towns.append(town := Town(ratio))
        for node in town.nodes:
            await node.start()
        return town

    yield opened
    for town in towns:
        for node in town.nodes:
            await node.stop()


@pytest.fixture
async def town(open_town: Callable[..., Any]) -> Town:
    """With a visitor on each node, whose arrival is forgotten."""
    town: Town = await open_town()
    await town.visit(0, "kept:news")
    await town.visit(1, "kept:news")
    town.exporter.clear()
    return town


def parent(span: ReadableSpan) -> int:
    return span.parent.span_id if span.parent else 0


def own(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


# The way.


async def test_from_the_api_to_every_node(town: Town) -> None:
    """One trace, which is the caller's: the call, below it the broker, below that a delivery for each node."""
    await town.publish("kept:news", WANTED, (b"tracestate", b"vendor=1"))
    publish, call, *deliveries = await town.spans(4)
    assert (call.name, call.kind, parent(call)) == ("POST /api/publish", SpanKind.SERVER, int(SPAN, 16))
    assert (publish.name, publish.kind, parent(publish)) == ("publish", SpanKind.PRODUCER, own(call))
    for delivery in deliveries:
        assert (delivery.name, delivery.kind, parent(delivery)) == ("deliver", SpanKind.CONSUMER, own(publish))
        assert delivery.attributes == {
            "messaging.system": "tidings",
            "messaging.destination.name": "kept:news",
            "messaging.message.body.size": len(b'{"secret": 1}'),
            "tidings.subscribers": 1,
        }
    for span in (call, publish, *deliveries):
        context = span.get_span_context()
        assert context is not None
        assert f"{context.trace_id:032x}" == TRACE
        assert context.trace_state.to_header() == "vendor=1"
    assert call.attributes == {
        "http.request.method": "POST",
        "http.route": "/api/publish",
        "http.response.status_code": 200,
        "tidings.code": 0,
    }


async def test_a_batch_is_one_call(town: Town) -> None:
    """With a span for each publication below it, and a delivery for each on each node."""
    command = {"publish": {"channel": "kept:news", "data": 1}}
    await town.site.post("/api/batch", json.dumps({"commands": [command] * 3}).encode(), WANTED)
    spans = await town.spans(10)
    names = [span.name for span in spans]
    assert (names.count("POST /api/batch"), names.count("publish"), names.count("deliver")) == (1, 3, 6)
    (call,) = [span for span in spans if span.name == "POST /api/batch"]
    assert {parent(span) for span in spans if span.name == "publish"} == {own(call)}


async def test_a_broadcast_is_one_call(town: Town) -> None:
    await town.site.post("/api/broadcast", b'{"channels":["kept:news","texts:a"],"data":1}', WANTED)
    spans = await town.spans(5)
    (call,) = [span for span in spans if span.name == "POST /api/broadcast"]
    assert {parent(span) for span in spans if span.name == "publish"} == {own(call)}


async def test_a_clients_own_publication(town: Town) -> None:
    """Begins a trace of its own, with the command."""
    visitor = await town.visit(0)
    town.exporter.clear()
    await visitor.tell({"id": 7, "publish": {"channel": "kept:news", "data": 1}})
    publish, command, *deliveries = await town.spans(4)
    assert (command.name, command.kind, command.parent) == ("client publish", SpanKind.SERVER, None)
    assert command.attributes == {"tidings.client": visitor.id}
    assert parent(publish) == own(command)
    assert {parent(delivery) for delivery in deliveries} == {own(publish)}


async def test_a_command_is_in_nobody_elses_trace(town: Town) -> None:
    """Such as that of the request which opened the connection, and lasts as long as it does."""
    visitor = await town.visit(0)
    town.exporter.clear()
    with town.provider.get_tracer("app").start_as_current_span("the whole connection"):
        await visitor.tell({"id": 7, "publish": {"channel": "texts:a", "data": 1}})
    publish, command, connection = await town.spans(3)
    assert (command.name, command.parent, parent(publish)) == ("client publish", None, own(command))
    assert command.get_span_context().trace_id != connection.get_span_context().trace_id  # type: ignore[union-attr]


async def test_commands_are_told_apart(town: Town) -> None:
    """Several that come at once are a trace each, in their order."""
    visitor = await town.visit(0, "kept:news")
    town.exporter.clear()
    for number in (7, 8):
        visitor.peer.receive(b'{"id":%d,"history":{"channel":"kept:news","limit":1}}' % number)
    first, second = await town.spans(2)
    assert (first.name, second.name, first.parent, second.parent) == ("client history", "client history", None, None)
    assert first.get_span_context().trace_id != second.get_span_context().trace_id  # type: ignore[union-attr]


async def test_a_refused_command_has_its_code(town: Town) -> None:
    visitor = await town.visit(0)
    town.exporter.clear()
    since = {"offset": 1, "epoch": "of another life"}
    await visitor.tell({"id": 7, "history": {"channel": "kept:news", "limit": 1, "since": since}})
    (span,) = await town.spans(1)
    assert span.attributes is not None
    assert span.attributes["tidings.code"] == 112
    assert span.status.status_code is StatusCode.UNSET, "it is the client's mistake, and no failure here"


# The context.


@pytest.mark.parametrize("header", [b"nonsense", b"", f"00-{'0' * 32}-{SPAN}-01".encode(), b"\xff" * 55])
async def test_a_malformed_header_begins_a_trace(town: Town, header: bytes) -> None:
    """And is no error."""
    assert (await town.publish("kept:news", (b"traceparent", header))).status == 200
    _, call, *_ = await town.spans(4)
    assert call.parent is None


async def test_strangers_open_no_span(town: Town) -> None:
    """A header without the key is nobody's word."""
    reply = await town.site.request("POST", "/api/publish", [b"{}"], [WANTED])
    assert reply.status == 401
    assert town.exporter.get_finished_spans() == ()


async def test_inside_of_an_applications_span(town: Town) -> None:
    """Where the host has opened a span for the request, it is the parent; the header is that one's parent already."""
    with town.provider.get_tracer("app").start_as_current_span("request") as request:
        await town.publish("kept:news", WANTED)
    _, call, *_ = await town.spans(5)
    assert parent(call) == request.get_span_context().span_id


async def test_clients_and_keepers_see_nothing_of_it(town: Town) -> None:
    """Neither with the publication, nor in history."""
    visitor = await town.visit(1, "kept:news")
    await town.publish("kept:news", WANTED)
    await visitor.until(lambda: bool(visitor.pushes))
    history = await town.site.call("history", b'{"channel":"kept:news","limit":1}')
    assert TRACE not in json.dumps(visitor.pushes)
    assert TRACE.encode() not in history
    assert visitor.pushes[0]["pub"]["tags"] == {"tag": "t"}


async def test_handlers_are_inside_of_the_span(town: Town) -> None:
    """So that what they ask others carries it."""
    told: dict[str, str] = {}

    async def handler(params: bytes) -> bytes:
        told.update(traces.outgoing_headers())
        return b"1"

    town.site.rpc["ask"] = handler
    town.site = Site(town.nodes[0], town.clock, town.facts, {"rpc": {"ask": handler}})
    await town.site.post("/api/rpc", b'{"method":"ask"}', WANTED)
    (call,) = await town.spans(1)
    assert told == {"traceparent": f"00-{TRACE}-{own(call):016x}-01"}
    assert traces.outgoing_headers() == {}


# Sampling.


async def test_nothing_is_recorded_at_a_ratio_of_zero(open_town: Callable[..., Any]) -> None:
    """Nothing travels with the publication then; a caller who wants it recorded has it recorded."""
    town = await open_town(ratio=0.0)
    await town.visit(1, "kept:news")
    await town.publish("kept:news")
    async with asyncio.timeout(10):
        while not (delivered := [fact for fact in town.facts if isinstance(fact, events.Delivered)]):
            await asyncio.sleep(0)
    assert [fact.trace for fact in delivered] == [""]
    assert town.exporter.get_finished_spans() == ()
    await town.publish("kept:news", WANTED)
    assert len(await town.spans(3)) == 3


async def test_whoever_began_the_trace_decides(town: Town) -> None:
    """Where the caller does not record it, nobody does; others are told so."""
    told: dict[str, str] = {}

    async def handler(params: bytes) -> bytes:
        told.update(traces.outgoing_headers())
        return b"1"

    town.site = Site(town.nodes[0], town.clock, town.facts, {"rpc": {"ask": handler}})
    await town.publish("kept:news", UNWANTED)
    await town.site.post("/api/rpc", b'{"method":"ask"}', UNWANTED)
    assert town.exporter.get_finished_spans() == ()
    assert told["traceparent"].startswith(f"00-{TRACE}-")
    assert told["traceparent"].endswith("-00")


# What goes wrong.


class Away(MemoryBroker):
    """A broker that takes nothing."""

    async def publish(self, channel: str, publication: Publication, **how: Any) -> Any:
        raise BrokerUnavailable("no answer from redis://user:secret@host")


async def test_a_failure_is_its_class() -> None:
    """The words of an error may hold secrets, and are in no span."""
    town = Town(1.0)
    tracer = OpenTelemetryTracer(lambda: town.provider)
    node = build.node(Settings.of(SETTINGS), clock=town.clock, carrier=Away(town.clock), tracer=tracer)
    await node.start()
    town.site._app = Router(routes(node, key=KEY))
    reply = await town.publish("texts:a")
    publish, call = await town.spans(2)
    assert json.loads(reply.body)["error"]["code"] == 100
    assert publish.attributes is not None
    assert call.attributes is not None
    assert (publish.attributes["error.type"], call.attributes["error.type"]) == ("BrokerUnavailable", "100")
    assert publish.status.status_code is call.status.status_code is StatusCode.ERROR
    assert "secret" not in publish.to_json() + call.to_json()
    await node.stop()


# Logs.


@pytest.mark.usefixtures("loggers")
async def test_lines_have_the_ids_of_their_trace(town: Town) -> None:
    """In JSON both ids; what is written outside of a trace has none."""
    stream = StringIO()
    logs.configure("json", "debug", stream)
    town.nodes[0].policy.hooks.listen(logs.LogListener(town.clock))
    await town.publish("kept:news", WANTED)
    spans = {span.name: f"{own(span):016x}" for span in await town.spans(4)}
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    town.nodes[0].policy.hooks.announce(events.BrokerLost("gone"))
    assert "trace_id" not in stream.getvalue().splitlines()[-1]
    told = {line["message"]: (line["trace_id"], line["span_id"]) for line in lines}
    assert told["published"] == (TRACE, spans["POST /api/publish"])
    assert told["delivered"] == (TRACE, spans["publish"])


def test_the_provider_that_an_application_has_is_asked_for_late() -> None:
    """Making a tracer makes no provider of ours: the application may configure its own afterwards."""

    def never() -> trace.TracerProvider:
        raise AssertionError("nobody has opened a span yet")

    OpenTelemetryTracer(never)
