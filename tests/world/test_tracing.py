"""docs/tracing.md with real parts: two nodes on a real Redis, their clients, and a collector that gets the spans."""

from __future__ import annotations

import json
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.docs.pages import blocks, page
from tests.world.command import PATIENCE, ROOT
from tests.world.otlp import Collector

from tidings.testing import Client, TidingsCluster, TidingsNode
from tidings.testing.services.base import ask_until
from tidings.testing.services.node import environment

pytestmark = [pytest.mark.world, pytest.mark.L3]

KEY = "a key of the tests"
SPAN = "00f067aa0ba902b7"
OFTEN = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
SETTINGS: dict[str, Any] = {
    "api": {"key": KEY},
    "client": {"insecure": True},
    "log": {"format": "json"},
    "channels": {"namespaces": {"kept": {"history_size": 10, "history_ttl": 60.0}, "plain": {"presence": True}}},
}


def traced(endpoint: str, **tracing: Any) -> dict[str, Any]:
    return {**SETTINGS, "tracing": {"enabled": True, "endpoint": endpoint, **tracing}}


def publish(node: TidingsNode, channel: str, **headers: str) -> dict[str, Any]:
    answer = httpx2.post(
        f"{node.url}/api/publish",
        json={"channel": channel, "data": 1},
        headers={"X-API-Key": KEY, **headers},
        timeout=PATIENCE,
        verify=False,  # Reading all certificates of the machine takes longer than the call.
    )
    assert answer.status_code == 200
    result: dict[str, Any] = answer.json()["result"]
    return result


def context(flags: str = "01") -> tuple[str, dict[str, str]]:
    """A trace of somebody's, and the header that brings it."""
    trace = secrets.token_hex(16)
    return trace, {"traceparent": f"00-{trace}-{SPAN}-{flags}", "tracestate": "shop=1"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def cluster(collector: Collector) -> Iterator[TidingsCluster]:
    settings = traced(collector.url, service_name="realtime")
    with TidingsCluster(2, settings, environment=OFTEN) as cluster:
        yield cluster


@pytest.mark.parametrize("channel", ["kept:it", "plain:it"])
async def test_from_the_call_over_redis_to_both_nodes(
    collector: Collector, cluster: TidingsCluster, channel: str
) -> None:
    """One trace, which is the caller's, with the right parents; the clients get what they always got."""
    here, there = cluster.nodes
    trace, headers = context()
    async with Client(here.websocket) as ada, Client(there.websocket) as bob:
        listening = [await client.subscribe(channel) for client in (ada, bob)]
        publish(here, channel, **headers)
        for subscription in listening:
            publication = await subscription.receive()
            assert (publication.data, publication.tags) == (1, {})
    spans = collector.wait(trace, 4)
    assert len(spans) == 4
    by_name = {span["name"]: span for span in spans}
    call, sent = by_name["POST /api/publish"], by_name["publish"]
    deliveries = [span for span in spans if span["name"] == "deliver"]
    assert (call["parent"], sent["parent"]) == (SPAN, call["span"])
    assert [span["parent"] for span in deliveries] == [sent["span"]] * 2
    assert {span["attributes"]["messaging.destination.name"] for span in deliveries} == {channel}
    assert {(span["path"], span["service"], span["state"]) for span in spans} == {("/v1/traces", "realtime", "shop=1")}
    assert all(call["began"] <= span["began"] <= span["ended"] for span in spans)


def test_what_is_not_recorded_leaves_nothing(collector: Collector, cluster: TidingsCluster) -> None:
    """The caller has decided. Its publication is without a trace in Redis, the other's has one."""
    node, _ = cluster.nodes
    unwanted, headers = context("00")
    publish(node, "kept:unwanted", **headers)
    wanted, headers = context()
    publish(node, "kept:wanted", **headers)
    collector.wait(wanted, 2)
    assert collector.spans(unwanted) == []


def test_malformed_headers_are_no_errors(cluster: TidingsCluster) -> None:
    for parent in ("", "00", f"00-{'0' * 32}-{SPAN}-01", "x" * 4000):
        publish(cluster.nodes[0], "plain:it", traceparent=parent, tracestate="=,=")


@pytest.mark.parametrize("by", ["settings", "variables"])
def test_where_to_how_many_and_as_whom(by: str) -> None:
    """The settings say so, else the standard variables. What others have begun is recorded all the same.

    However rarely spans are sent, those that wait are sent when the node stops.
    """
    with Collector() as collector:
        settings, variables = traced(collector.url, sample_ratio=0, service_name="shop"), {}
        if by == "variables":
            settings = traced("")
            variables = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                "OTEL_SERVICE_NAME": "shop",
                "OTEL_TRACES_SAMPLER": "parentbased_always_off",
            }
        trace, headers = context()
        with TidingsNode(settings, environment={"OTEL_BSP_SCHEDULE_DELAY": "3600000", **variables}) as node:
            for _ in range(20):
                publish(node, "plain:it")
            publish(node, "plain:it", **headers)
            assert collector.spans() == []
        assert [(span["trace"], span["service"]) for span in collector.wait(trace, 2)] == [(trace, "shop")] * 2
        assert len(collector.spans()) == 2


# Without a collector.


def lines(node: TidingsNode) -> list[dict[str, Any]]:
    return [json.loads(line) for line in node.process.lines if line.startswith("{")]


def test_a_collector_that_is_away() -> None:
    """Costs one line and the spans; everything else is as it was."""
    variables = {**OFTEN, "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"}
    with TidingsNode(traced("http://127.0.0.1:9"), environment=variables) as node:
        for _ in range(50):
            publish(node, "plain:it")
        node.process.line("the collector takes no spans", timeout=PATIENCE)
        for _ in range(50):
            publish(node, "plain:it")
        node.process.signal(signal.SIGTERM)
        assert node.process.wait(PATIENCE) == 0
        told, *others = [line for line in lines(node) if line["logger"] != "tidings" or "collector" in line["message"]]
        assert (told["level"], told["message"]) == ("warning", "the collector takes no spans")
        assert told["lost"] > 0
        assert {line["message"] for line in others} <= {"the last spans did not reach the collector in time"}


def test_a_collector_that_hangs() -> None:
    """Nobody waits for it: calls are answered at once, the loop turns, and the end comes in time and is told."""
    with Collector("hang") as collector, TidingsNode(traced(collector.url), environment=OFTEN) as node:
        publish(node, "plain:it")
        ask_until(lambda: "hanging" in collector.process.log, PATIENCE)
        for _ in range(20):
            publish(node, "plain:it")
        assert "hanging" in collector.process.lines[-1], "and has not answered since"
        node.process.signal(signal.SIGTERM)
        assert node.process.wait(PATIENCE) == 0
        assert "the last spans did not reach the collector in time" in {line["message"] for line in lines(node)}


def test_without_the_extra() -> None:
    """One sentence that says what to install."""
    hidden = (
        "import sys; sys.modules['opentelemetry'] = None; "
        "from tidings.cli.main import main; sys.argv = ['tidings', 'serve', '--port', '0']; main()"
    )
    refused = subprocess.run(
        [sys.executable, "-c", hidden],
        env={**environment(), "TIDINGS_TRACING__ENABLED": "true"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    expected = '[tracing] enabled needs opentelemetry: pip install "tidings[otel]", or ".[otel]" in a clone.'
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", f"tidings: {expected}\n")


def test_nothing_of_it_is_imported_while_it_is_off() -> None:
    program = "import sys; from tidings import Tidings; Tidings(settings={}); print('opentelemetry' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert ran.stdout == "False\n", ran.stderr


# The page.


def test_the_program_of_the_page_runs() -> None:
    """The hub's spans are the application's, in its trace."""
    (program,) = blocks(page("tracing.md"), "python")
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, env=environment(), cwd=ROOT
    )
    assert ran.stderr == ""
    assert re.findall(r'^    "name": "(.+)"', ran.stdout, re.MULTILINE) == ["publish", "hub.publish", "ship the order"]
    assert len(set(re.findall(r'"trace_id": "(\w+)"', ran.stdout))) == 1
