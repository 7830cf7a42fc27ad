"""Market patterns: what alerts say, and how symbols, prices and confidences are spread."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import islice, pairwise
from statistics import fmean, pstdev

import pytest

from tidings.testing.simulators import Market
from tidings.testing.simulators.market import PATTERNS, SYMBOLS, TRADING_YEAR, VOLATILITY

pytestmark = pytest.mark.core

EVENTS = list(islice(Market(seed=11).events(), 20_000))
ALERTS = [event.data for event in EVENTS]


def test_alerts_are_numbered() -> None:
    assert [alert.number for alert in ALERTS[:5]] == [1, 2, 3, 4, 5]


def test_fame() -> None:
    """Every symbol has alerts, the first twice as many as the second."""
    found = Counter(alert.symbol for alert in ALERTS)
    assert set(found) == set(SYMBOLS)
    assert found["AAPL"] / found["NVDA"] == pytest.approx(2.0, rel=0.1)


def test_patterns_point_somewhere() -> None:
    """All of them come, each with its own direction."""
    assert {alert.pattern: alert.direction for alert in ALERTS} == PATTERNS


def test_confidence() -> None:
    values = [alert.confidence for alert in ALERTS]
    assert min(values) >= 0.5 and max(values) <= 1.0
    assert fmean(values) == pytest.approx(0.5 + 0.5 * 2 / 3, rel=0.01)


def test_prices_walk() -> None:
    """In small steps: over a year they would add up to the volatility."""
    walks = defaultdict(list)
    for event in islice(Market(seed=11, rate=0.001).events(), 20_000):
        walks[event.data.symbol].append((event.at, event.data.price))
    steps = [
        math.log(later[1] / earlier[1]) / math.sqrt((later[0] - earlier[0]) / TRADING_YEAR)
        for walk in walks.values()
        for earlier, later in pairwise(walk)
        if later[0] - earlier[0] > 600  # in a shorter time most prices do not change by a cent
    ]
    assert pstdev(steps) == pytest.approx(VOLATILITY, rel=0.05)
    assert all(alert.price > 0.0 for alert in ALERTS)


def test_symbols_of_ones_own() -> None:
    """And a price is a matter of the symbol and the seed, whatever the others are."""
    assert {event.data.symbol for event in islice(Market(seed=1, symbols=("X", "Y")).events(), 50)} == {"X", "Y"}
    with pytest.raises(ValueError, match="symbols is 0"):
        Market(seed=1, symbols=())
