"""Service health: even reports, and lives that are mostly healthy."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from statistics import fmean

import pytest

from tidings.testing.simulators import Health, within
from tidings.testing.simulators.health import MANNERS, SERVICES, Status

pytestmark = pytest.mark.core

EVENTS = list(within(Health(seed=3, rate=0.5).events(), 100_000.0))
UPDATES = [event.data for event in EVENTS]


def test_every_service_reports_evenly() -> None:
    """Five services at one report in two seconds: each every ten seconds."""
    times = defaultdict(list)
    for event in EVENTS[:500]:
        times[event.data.service].append(event.at)
    assert set(times) == set(SERVICES)
    for reports in times.values():
        assert all(later - earlier == pytest.approx(10.0) for earlier, later in pairwise(reports))


def test_most_are_healthy_most_of_the_time() -> None:
    shares = Counter(update.status for update in UPDATES)
    assert shares[Status.HEALTHY] / len(UPDATES) == pytest.approx(0.9, abs=0.04)
    assert shares[Status.DEGRADED] > shares[Status.UNHEALTHY] > 0


@pytest.mark.parametrize("status", Status)
def test_statuses_last(status: Status) -> None:
    """As long as documented on average: the time of all, by how often it began."""
    spells = {(update.service, update.since) for update in UPDATES if update.status is status}
    time = 10.0 * sum(update.status is status for update in UPDATES)
    assert time / len(spells) == pytest.approx(MANNERS[status].lasts, rel=0.25)


@pytest.mark.parametrize("status", Status)
def test_figures_are_those_of_the_status(status: Status) -> None:
    figures = [(update.response_ms, update.error_rate) for update in UPDATES if update.status is status]
    low, high = MANNERS[status].errors
    assert all(low <= errors <= high for _, errors in figures)
    assert fmean(response for response, _ in figures) == pytest.approx(1.083 * MANNERS[status].response_ms, rel=0.1)


def test_a_status_began_before_it_is_told() -> None:
    assert all(0.0 <= event.data.since <= event.at for event in EVENTS)


def test_services_of_ones_own() -> None:
    """One service's life does not depend on which others there are."""
    alone = [event.data for event in within(Health(seed=3, rate=0.1, services=("redis",)).events(), 1000.0)]
    assert alone == [update for update in UPDATES if update.service == "redis"][: len(alone)]
    with pytest.raises(ValueError, match="services is 0"):
        Health(seed=1, services=())
