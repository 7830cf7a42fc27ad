"""docs/limits.md: its settings do what it says, and its numbers are those of the code."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Iterator

import httpx2
import pytest
from tests.docs.pages import blocks, page, rows, section
from tests.world.backend import KEY, SECRET, token

from tidings.app.settings import Settings
from tidings.app.settings.sections import Limits
from tidings.gateway.admission import Rate, flood, limiter, rate
from tidings.observability.metrics import Metrics
from tidings.testing import PlainClient, TidingsNode

pytestmark = pytest.mark.world

PAGE = page("limits.md")
TEXT = " ".join(PAGE.split())
EXAMPLE, PROXIES = map(tomllib.loads, blocks(PAGE, "toml"))


@pytest.fixture(scope="module")
def server() -> Iterator[TidingsNode]:
    """With the settings of the page."""
    with TidingsNode({**EXAMPLE, "auth": {"hmac_secret": SECRET}, "api": {"key": KEY}}) as server:
        yield server


def test_the_settings_are_good_and_all_there() -> None:
    assert set(EXAMPLE["limits"]) == set(Limits.model_fields)
    Settings.of({**EXAMPLE, **PROXIES})
    for form in ("20/10s", "100/s", "5/1m"):
        assert f'`"{form}"`' in TEXT
        Rate.parse(form)


def test_the_error(server: TidingsNode) -> None:
    """What the command gets that is one too many, on the connection of the example."""
    (example,) = map(json.loads, blocks(PAGE, "json"))
    allowed = Rate.parse(EXAMPLE["limits"]["commands_per_connection"]).amount

    async def last() -> object:
        async with PlainClient(server.websocket, lines=True) as client:
            await client.send({"id": 1, "connect": {"token": token("ada")}})
            for number in [*range(1000, 1000 + allowed), example["id"]]:
                await client.send({"id": number, "publish": {"channel": "a", "data": 1}})
            heard = [await client.receive() for _ in range(allowed + 2)]
            return next(reply for reply in heard if reply["id"] == example["id"])

    assert asyncio.run(last()) == example


def test_the_fields(server: TidingsNode) -> None:
    """Those of a first answer are the ones on the page."""
    (example,) = blocks(PAGE, "http")
    answer = httpx2.post(f"{server.url}/api/info", json={}, headers={"X-API-Key": KEY})
    for line in example.splitlines():
        name, _, value = line.partition(": ")
        assert answer.headers[name] == value


def test_numbers_are_those_of_the_code() -> None:
    assert f"from 1 to {rate.AMOUNT_LIMIT:,} at a time" in TEXT
    assert f"within 1s to {rate.SECONDS_LIMIT // 3600}h" in TEXT
    assert f"and at least {flood.LEAST}, is flooding" in TEXT
    assert f"at most {flood.PAUSE_LIMIT:.0f} s" in TEXT
    assert f"at most {limiter.KEY_LIMIT:,} addresses" in TEXT
    assert f"at most {limiter.STAMP_LIMIT:,} moments" in TEXT


def test_the_metrics_are_there() -> None:
    counted = Metrics("1", users=lambda: 0, channels=dict)
    there = {f"{metric.name}_total" for metric in counted.collect()}
    listed = {row[0].strip("`") for row in rows(section(PAGE, "What is seen"))}
    assert listed <= there
    assert listed <= {row[0].strip("`") for row in rows(section(page("operations.md"), "Metrics"))}
