"""What is counted, and what Prometheus reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tidings import events
from tidings.events import Fact
from tidings.hooks import Hooks
from tidings.observability.metrics import Metrics

pytestmark = pytest.mark.core

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "operations.md"


def node(version: str = "1.2.3") -> Metrics:
    return Metrics(version, users=lambda: 2, channels=lambda: {"news": 2, "chat:lobby": 3})


@pytest.fixture
def metrics() -> Metrics:
    return node()


def hear(metrics: Metrics, *facts: Fact) -> list[str]:
    """Announce facts, and return the lines of Tidings' own metrics that are neither comments, buckets nor zero."""
    hooks = Hooks(metrics)
    for fact in facts:
        hooks.announce(fact)
    lines = metrics.exposition("")[0].decode().splitlines()
    return [
        line
        for line in lines
        if line.startswith("tidings_") and "_bucket" not in line and not line.endswith(" 0.0") and line not in ALWAYS
    ]


ALWAYS = {
    "tidings_workers 1.0",
    'tidings_build_info{version="1.2.3"} 1.0',
    "tidings_users 2.0",
    "tidings_channels 2.0",
    "tidings_subscriptions 5.0",
}


def opened(transport: str = "websocket", codec: str = "json") -> events.ConnectionOpened:
    return events.ConnectionOpened("c-1", "u-1", transport, codec, waited=0.25)


def closed(code: int = 1000, client: str = "c-1", codec: str = "json") -> events.ConnectionClosed:
    return events.ConnectionClosed(client, "u-1", "websocket", codec, code, "", lasted=2.0, by_server=False)


# Facts.


def test_nothing_has_happened(metrics: Metrics):
    """What is known without any fact is there from the start."""
    assert hear(metrics) == []
    assert set(metrics.exposition("")[0].decode().splitlines()) >= ALWAYS


def test_connections_by_transport_and_codec(metrics: Metrics):
    """Those that opened and did not close; how long connecting took."""
    facts = [opened(), opened(), opened(codec="protobuf"), opened("asgi"), closed(1001)]
    assert hear(metrics, *facts) == [
        'tidings_connections{codec="json",transport="websocket"} 1.0',
        'tidings_connections{codec="protobuf",transport="websocket"} 1.0',
        'tidings_connections{codec="json",transport="asgi"} 1.0',
        "tidings_connect_duration_seconds_count 4.0",
        "tidings_connect_duration_seconds_sum 1.0",
        'tidings_disconnects_total{code="1001"} 1.0',
    ]


def test_a_transport_without_a_client_is_no_connection(metrics: Metrics):
    """Whoever was refused did not count as connected, and does not count as one less."""
    assert hear(metrics, closed(3500, client="")) == ['tidings_disconnects_total{code="3500"} 1.0']


@pytest.mark.parametrize(
    ("code", "label"),
    [
        (999, "other"),
        (1000, "1000"),
        (1015, "1015"),
        (1016, "other"),
        (2999, "other"),
        (3000, "3000"),
        (4999, "4999"),
        (5000, "other"),
    ],
)
def test_close_codes_without_a_meaning_are_other(metrics: Metrics, code: int, label: str):
    """A client may close with any number; the label does not follow it everywhere."""
    assert hear(metrics, closed(code, client="")) == [f'tidings_disconnects_total{{code="{label}"}} 1.0']


def test_refused_connections(metrics: Metrics):
    """By status, without the origin."""
    refused = events.ConnectionRefused(403, "this origin is not allowed", "https://evil.example", "192.0.2.1")
    assert hear(metrics, refused) == ['tidings_refusals_total{status="403"} 1.0']


def test_commands(metrics: Metrics):
    """How long each method takes, errors included, and which errors there were."""
    facts = [
        events.CommandHandled("publish", 0, 0.5),
        events.CommandHandled("publish", 103, 0.25),
        events.CommandHandled("rpc", 1404, 1.0),
    ]
    assert hear(metrics, *facts) == [
        'tidings_command_duration_seconds_count{method="publish"} 2.0',
        'tidings_command_duration_seconds_sum{method="publish"} 0.75',
        'tidings_command_duration_seconds_count{method="rpc"} 1.0',
        'tidings_command_duration_seconds_sum{method="rpc"} 1.0',
        'tidings_errors_total{code="103",method="publish"} 1.0',
        'tidings_errors_total{code="1404",method="rpc"} 1.0',
    ]


@pytest.mark.parametrize(
    ("code", "label"),
    [
        (99, "other"),
        (100, "100"),
        (113, "113"),
        (114, "other"),
        (399, "other"),
        (400, "400"),
        (1999, "1999"),
        (2000, "other"),
    ],
)
def test_error_codes_without_a_meaning_are_other(metrics: Metrics, code: int, label: str):
    """The protocol's codes and those of applications are told apart, all others are one."""
    lines = hear(metrics, events.CommandHandled("rpc", code, 0.0))
    assert f'tidings_errors_total{{code="{label}",method="rpc"}} 1.0' in lines


def test_recoveries(metrics: Metrics):
    """Only of those who asked for one."""
    facts = [events.Subscribed("c-1", "u-1", "news", recovered) for recovered in (True, True, False, None)]
    assert hear(metrics, *facts) == [
        'tidings_recoveries_total{outcome="recovered"} 2.0',
        'tidings_recoveries_total{outcome="not_recovered"} 1.0',
    ]


def test_publications_by_namespace(metrics: Metrics):
    """No channel has a number of its own."""
    channels = ["news", "#42", "chat:lobby", "chat:kitchen", "$chat:private"]
    assert hear(metrics, *(events.Published(channel, 10, 0.5) for channel in channels)) == [
        'tidings_publications_total{namespace=""} 2.0',
        'tidings_publications_total{namespace="chat"} 3.0',
        "tidings_publish_duration_seconds_count 5.0",
        "tidings_publish_duration_seconds_sum 2.5",
    ]


def test_deliveries(metrics: Metrics):
    """A publication for a thousand subscribers is a thousand deliveries, and one age."""
    facts = [events.Delivered("chat:lobby", 1000, 10, 0.5), events.Delivered("chat:kitchen", 1, 5, 0.25)]
    assert hear(metrics, *facts) == [
        'tidings_deliveries_total{namespace="chat"} 1001.0',
        'tidings_delivered_bytes_total{namespace="chat"} 10005.0',
        "tidings_delivery_age_seconds_count 2.0",
        "tidings_delivery_age_seconds_sum 0.75",
    ]


def test_a_publication_for_nobody_is_no_delivery(metrics: Metrics):
    """Its age would say nothing about anybody's wait."""
    assert hear(metrics, events.Delivered("news", 0, 10, 5.0)) == []


def test_drops(metrics: Metrics):
    """Publications, not moments at which some were dropped."""
    facts = [
        events.Dropped("c-1", "u-1", "prices:eur", "latest", 3),
        events.Dropped("c-2", "", "prices:x", "latest", 1),
    ]
    assert hear(metrics, *facts) == ['tidings_drops_total{namespace="prices",policy="latest"} 4.0']


def test_rate_limits(metrics: Metrics):
    """By the name of the setting; neither by address nor by user."""
    struck = events.RateLimited("connects_per_address", address="192.0.2.1")
    paused = events.ReadingPaused("commands_per_user", "c-1", "u-1", 2.0)
    assert hear(metrics, struck, struck, paused, events.RateForgotten("connects_per_address")) == [
        'tidings_rate_limited_total{limit="connects_per_address"} 2.0',
        'tidings_reading_pauses_total{limit="commands_per_user"} 1.0',
        'tidings_rate_forgotten_total{limit="connects_per_address"} 1.0',
    ]


def test_gaps(metrics: Metrics):
    """Those that history could fill, and those that it could not."""
    facts = [events.GapFound("news", filled, 1) for filled in (True, True, False)]
    assert hear(metrics, *facts) == ['tidings_gaps_total{filled="yes"} 2.0', 'tidings_gaps_total{filled="no"} 1.0']


def test_the_broker_away(metrics: Metrics):
    """How often, and whether it is now."""
    assert hear(metrics, events.BrokerLost("it is gone")) == [
        "tidings_broker_losses_total 1.0",
        "tidings_broker_away 1.0",
    ]
    assert hear(metrics, events.BrokerResumed()) == ["tidings_broker_losses_total 1.0"]


def test_other_facts_are_ignored(metrics: Metrics):
    """A fact that nobody counts is no error."""
    assert hear(metrics, events.CommandFailed("Call", "c-1", KeyError()), Fact()) == []


def test_two_nodes_in_one_process(metrics: Metrics):
    """Each counts for itself."""
    other = node("2.0.0")
    other(events.Published("news", 10, 0.5))
    assert hear(metrics) == []
    assert 'tidings_publications_total{namespace=""} 1.0' in other.exposition("")[0].decode()


# For Prometheus.


def test_a_counter_as_text(metrics: Metrics):
    """Help, type, value."""
    metrics(events.Published("chat:lobby", 10, 0.001))
    text = metrics.exposition("")[0].decode()
    assert (
        "# HELP tidings_publications_total Publications accepted.\n"
        "# TYPE tidings_publications_total counter\n"
        'tidings_publications_total{namespace="chat"} 1.0\n'
    ) in text


def test_a_histogram_as_text(metrics: Metrics):
    """All buckets, cumulative."""
    metrics(events.Published("chat:lobby", 10, 0.001))
    metrics(events.Published("chat:lobby", 10, 60.0))
    text = metrics.exposition("")[0].decode()
    assert (
        "# TYPE tidings_publish_duration_seconds histogram\n"
        'tidings_publish_duration_seconds_bucket{le="0.0005"} 0.0\n'
        'tidings_publish_duration_seconds_bucket{le="0.001"} 1.0\n'
    ) in text
    assert (
        'tidings_publish_duration_seconds_bucket{le="10.0"} 1.0\n'
        'tidings_publish_duration_seconds_bucket{le="+Inf"} 2.0\n'
        "tidings_publish_duration_seconds_count 2.0\n"
        "tidings_publish_duration_seconds_sum 60.001\n"
    ) in text


def test_the_process_is_described(metrics: Metrics):
    """Memory, Python and its garbage collector, as every Python program describes them."""
    names = {family.name for family in plain(metrics.exposition("")[0].decode())}
    assert names >= {"process_resident_memory_bytes", "process_open_fds", "python_info", "python_gc_collections"}


def test_an_application_adds_its_own(metrics: Metrics):
    """What is registered with the hub's registry is on the same page."""
    Counter("orders", "Orders.", registry=metrics.registry).inc(3)
    assert "orders_total 3.0\n" in metrics.exposition("")[0].decode()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text; version=abc", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain; version=1..", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_format_that_is_asked_for(metrics: Metrics, accept: str, content_type: str):
    """OpenMetrics for those who ask for it; nonsense is answered as no wish at all."""
    text, answered = metrics.exposition(accept)
    assert answered == content_type
    families = (openmetrics if "openmetrics" in answered else plain)(text.decode())
    assert "tidings_deliveries" in {family.name for family in families}


# The documentation.


def documented() -> dict[str, tuple[str, str]]:
    """The metrics in the table of the documentation: type and labels by name."""
    rows = [
        [cell.strip() for cell in line.split("|")[1:4]]
        for line in DOCUMENTATION.read_text().splitlines()
        if line.startswith("| `tidings_")
    ]
    return {name.strip("`"): (kind, labels) for name, kind, labels in rows}


def test_the_documentation_lists_every_metric(metrics: Metrics):
    """The table names what there is, with type and labels, and nothing else."""
    hooks = Hooks(metrics)
    metrics.spans = lambda: {"sent": 2, "lost": 1}
    for fact in [
        opened(),
        closed(),
        events.ConnectionRefused(403, "", "", ""),
        events.CommandHandled("rpc", 100, 0.0),
        events.Subscribed("c-1", "u-1", "news", recovered=True),
        events.Published("news", 1, 0.0),
        events.Delivered("news", 1, 1, 0.0),
        events.Dropped("c-1", "u-1", "news", "latest", 1),
        events.GapFound("news", filled=True, missing=1),
        events.BrokerLost("it is gone"),
        events.RateLimited("commands_per_user"),
        events.ReadingPaused("commands_per_user", "c-1", "u-1", 2.0),
        events.RateForgotten("commands_per_user"),
        events.ApiCallHandled("publish", 0, 200, 0.0, "192.0.2.1"),
        events.ApiCommandRefused("publish", 102),
        events.TokenRefused("connection", "expired", "", "c-1", "u-1"),
        events.KeysFetched("auth", 2, 0, changed=True),
        events.KeysUnreachable("auth", "https://issuer", "it is away", 2),
        events.SettingsReloaded(("[api] key",), ()),
        events.WebhookBegan("connect"),
        events.WebhookEnded("connect", "ok", 0.1, "c-1", ""),
        events.WebhookAway("connect", "it is gone"),
        events.NoticeQueued("disconnect"),
        events.NoticeDelivered("disconnect", 0.1),
        events.NoticesDropped("disconnect", "full", 1),
    ]:
        hooks.announce(fact)
    exposed = {}
    for family in metrics.collect():
        name = {"counter": f"{family.name}_total", "info": f"{family.name}_info"}.get(family.type, family.name)
        labels = dict.fromkeys(label for sample in family.samples for label in sample.labels if label != "le")
        exposed[name] = (family.type, ", ".join(labels))
    assert documented() == exposed
