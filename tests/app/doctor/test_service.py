"""What a running server's answers mean."""

from __future__ import annotations

import httpx2
import pytest

from tidings.app.doctor.service import FORGED, judge_caller, judge_health
from tidings.findings import Level
from tidings.version import __version__

pytestmark = pytest.mark.core


def answer(status: int, told: object) -> httpx2.Response:
    return httpx2.Response(status, json=told)


@pytest.mark.parametrize(
    ("status", "told", "level"),
    [
        (200, {"status": "ok", "version": __version__}, Level.OK),
        (200, {"status": "ok", "version": "0.0.1"}, Level.WARNING),
        (503, {"status": "unavailable", "reason": "broker: is away"}, Level.PROBLEM),
        (404, {}, Level.WARNING),
        (200, [1, 2], Level.WARNING),
    ],
)
def test_health(status: int, told: object, level: Level) -> None:
    ((found, _, _),) = judge_health(answer(status, told))
    assert found is level


@pytest.mark.parametrize(
    ("base", "told", "level", "said"),
    [
        ("http://127.0.0.1:8000", {"address": "127.0.0.1", "scheme": "http"}, Level.OK, "127.0.0.1"),
        ("https://live.example.com", {"address": "203.0.113.9", "scheme": "https"}, Level.OK, "203.0.113.9"),
        ("https://live.example.com", {"address": FORGED, "scheme": "https"}, Level.PROBLEM, "chooses the address"),
        ("http://127.0.0.1:8000", {"address": FORGED, "scheme": "http"}, Level.OK, "--url"),
        ("https://live.example.com", {"address": "10.0.0.3", "scheme": "https"}, Level.WARNING, "10.0.0.3"),
        ("https://live.example.com", {"address": "203.0.113.9", "scheme": "http"}, Level.WARNING, "X-Forwarded-Proto"),
    ],
)
def test_proxy_headers(base: str, told: object, level: Level, said: str) -> None:
    ((found, _, text),) = judge_caller(base, answer(200, told))
    assert found is level
    assert said in text


def test_a_proxy_that_keeps_it_back() -> None:
    ((level, _, text),) = judge_caller("https://live.example.com", answer(403, {}))
    assert (level, "/health/caller" in text) == (Level.WARNING, True)
