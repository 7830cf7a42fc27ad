"""What load balancers and supervisors are told."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.routing import Router

from tidings.observability import health
from tidings.observability.health import Probe

pytestmark = pytest.mark.shell


async def well() -> None:
    """A probe that finds nothing wrong."""


async def away() -> str:
    return "not connected since 12:00"


async def broken() -> str:
    raise ConnectionError("redis://:password@10.0.0.1 is away")


async def hanging() -> str:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets the event")


async def get(path: str, probes: Mapping[str, Probe]) -> tuple[int, dict[str, str], Any]:
    """Status, headers and decoded body."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    await Router(health.routes(probes, "1.2.3", patience=0.05))(scope, receive, send)
    start, body = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, json.loads(body["body"])


async def test_all_is_well() -> None:
    """200, with the version and every part that was asked."""
    status, _, answer = await get("/health", {"broker": well})
    assert (status, answer) == (200, {"status": "ok", "version": "1.2.3", "broker": "ok"})


async def test_a_part_is_away() -> None:
    """503, with the part's own reason."""
    status, _, answer = await get("/health", {"broker": away})
    assert (status, answer) == (503, {"status": "unavailable", "reason": "broker: not connected since 12:00"})


async def test_every_reason_is_told() -> None:
    """And only those of the parts that are not well."""
    _, _, answer = await get("/health", {"broker": away, "outbox": well, "source": away})
    assert answer["reason"] == "broker: not connected since 12:00; source: not connected since 12:00"


async def test_a_probe_that_hangs() -> None:
    """Counts as a bad answer, and all probes together take no longer than one."""
    probes = dict.fromkeys(["broker", "source", "outbox"], hanging)
    async with asyncio.timeout(0.12):
        status, _, answer = await get("/health", probes)
    assert status == 503
    assert answer["reason"].startswith("broker: no answer within 0.05 s; source: no answer")


def test_a_probe_may_take_a_second() -> None:
    """Unless said otherwise."""
    assert inspect.signature(health.routes).parameters["patience"].default == 1.0


async def test_a_probe_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Its error is for the log, not for whoever asks."""
    status, _, answer = await get("/health", {"broker": broken})
    assert (status, answer) == (503, {"status": "unavailable", "reason": "broker: the probe failed"})
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "the health probe of the broker failed")
    assert record.exc_info is not None


async def test_alive_whatever_is_away() -> None:
    """A restart would not bring the broker back."""
    status, _, answer = await get("/health/live", {"broker": hanging, "source": broken})
    assert (status, answer) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/health", "/health/live"])
@pytest.mark.parametrize("probe", [well, away])
async def test_no_answer_is_cached(path: str, probe: Probe) -> None:
    """The next question gets the next answer."""
    _, headers, _ = await get(path, {"broker": probe})
    assert headers["cache-control"] == "no-store"
    assert headers["content-type"] == "application/json"
