"""The dashboard and the alerts: they ask for what a node exports, and Prometheus takes them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import yaml
from tests.deploy.prometheus import ROOT, Prometheus, promtool
from tests.docs.pages import page, rows, section

from tidings.testing import Client, TidingsNode
from tidings.testing.clients import ReplyError
from tidings.testing.services.base import ask_until

pytestmark = [pytest.mark.world, pytest.mark.L3]

FOLDER = ROOT / "deploy" / "prometheus"
RULES = FOLDER / "alerts.yaml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "tidings.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]

OF_PROMETHEUS = {"up"}
NAME = re.compile(r"\b(?:tidings|process|python)_\w+|\bup\b")
KEY = "a key of the tests"
SETTINGS: dict[str, Any] = {
    "api": {"key": KEY},
    "client": {"insecure": True},
    "tracing": {"enabled": True, "endpoint": "http://127.0.0.1:9"},
}
RARE = {"Gaps and losses", "Given up for slow clients", "Spans"}
"""Panels of what has not happened to this node."""


async def live(node: TidingsNode) -> None:
    """A little of everything happens."""
    async with Client(node.websocket) as client, httpx2.AsyncClient() as http:
        await client.subscribe("news")
        with pytest.raises(ReplyError):
            await client.subscribe("unknown:x")
        for key in (KEY, "another"):
            for channel in ("news", "unknown:x"):
                body = {"channel": channel, "data": 1}
                await http.post(f"{node.url}/api/publish", json=body, headers={"X-API-Key": key})


@pytest.fixture(scope="module")
def node() -> Iterator[TidingsNode]:
    with TidingsNode(SETTINGS) as node:
        asyncio.run(live(node))
        yield node


@pytest.fixture(scope="module")
def prometheus(node: TidingsNode) -> Iterator[Prometheus]:
    with Prometheus(node, RULES) as prometheus:
        yield prometheus


def expanded(expression: str) -> str:
    """As Grafana asks it."""
    for name, value in {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*"}.items():
        expression = expression.replace(name, value)
    return expression


def exported(node: TidingsNode) -> set[str]:
    """The names of all series that the node has, or will have."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", httpx2.get(f"{node.url}/metrics").text, re.MULTILINE):
        names |= {f"{name}_{part}" for part in ("bucket", "count", "sum")} if kind == "histogram" else {name}
    return names


# Rules.


def test_the_rules_are_rules() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", RULES.name, folder=FOLDER)


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    """Each has both cases."""
    promtool("test", "rules", "alerts.test.yaml", folder=FOLDER)
    cases = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text())["tests"]
    shown = [(case["alertname"], bool(case["exp_alerts"])) for test in cases for case in test["alert_rule_test"]]
    assert sorted(shown) == sorted((alert["alert"], fires) for alert in ALERTS for fires in (True, False))


def test_what_to_do_is_written_down() -> None:
    """Each alert has its row, with its severity, and no other has one."""
    table = rows(section(page("operations.md"), "Alerts"))
    assert [(row[0].strip("`"), row[1]) for row in table] == [
        (alert["alert"], alert["labels"]["severity"]) for alert in ALERTS
    ]
    assert all(len(row[2]) > 40 for row in table)


# The dashboard.


def test_panels_are_told_apart() -> None:
    """By id, title within its row, and place."""
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_panels_ask_the_chosen_source() -> None:
    """By the variable, so that it works wherever it is imported; and for the chosen nodes."""
    for panel in PANELS:
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert target["expr"].count("{") == target["expr"].count('{job=~"$job", instance=~"$instance"')
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", "job", "instance"}


# Both, beside a real node.


def test_every_metric_exists(node: TidingsNode) -> None:
    known = exported(node) | OF_PROMETHEUS
    asked = [*QUERIES, *((alert["alert"], alert["expr"]) for alert in ALERTS)]
    asked += [("variable", str(variable["query"])) for variable in DASHBOARD["templating"]["list"][1:]]
    unknown = {(where, name) for where, expression in asked for name in NAME.findall(expression) if name not in known}
    assert unknown == set()


def test_prometheus_answers_every_query(prometheus: Prometheus) -> None:
    """And where something has happened, there is something to see."""
    ask_until(lambda: bool(prometheus.query("sum_over_time(up[1m]) >= 3")), 20.0)
    empty = {title for title, expression in QUERIES if not prometheus.query(expanded(expression))}
    assert empty <= RARE


def test_prometheus_evaluates_every_alert(prometheus: Prometheus) -> None:
    """None of them fires for a node that is well."""
    ask_until(lambda: {rule["health"] for rule in prometheus.rules()} == {"ok"}, 20.0)
    assert [rule["name"] for rule in prometheus.rules()] == [alert["alert"] for alert in ALERTS]
    assert {rule["name"] for rule in prometheus.rules() if rule["state"] == "firing"} == set()
