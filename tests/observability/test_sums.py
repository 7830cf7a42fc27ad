"""The numbers of several processes on one page."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed

from tidings.observability import sums
from tidings.observability.measures import Measures
from tidings.observability.sums import Reading

pytestmark = pytest.mark.core


class Page:
    """Prometheus' way to say: these."""

    def __init__(self, *readings: Reading) -> None:
        self._metrics = list(sums.total(readings))

    def collect(self) -> list[Metric]:
        return self._metrics

    def lines(self) -> list[str]:
        registry = CollectorRegistry()
        registry.register(self)
        return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def reading(worker: str, **counts: float) -> Reading:
    """A process with a counter by code, a gauge, a histogram of one value for each count, and a memory."""
    measures, process = Measures(), CollectorRegistry()
    ends = measures.counter("ends", "Ends.", "code")
    here = measures.gauge("here", "Who is here.")
    took = measures.histogram("took", "How long it took.")
    for code, count in counts.items():
        ends.add(count, code)
        here.add(count)
        took.observe(count)
    Gauge("memory", "Memory.", registry=process).set(len(counts))
    return Reading(worker, sums.families(measures.collect()), sums.families(process.collect()))


def test_what_is_counted_is_added() -> None:
    """By labels, and what only one of them has counted is there as well."""
    lines = Page(reading("1", a=1, b=2), reading("2", b=0.004, c=8)).lines()
    assert [line for line in lines if line.startswith(("ends", "here"))] == [
        'ends_total{code="a"} 1.0',
        'ends_total{code="b"} 2.004',
        'ends_total{code="c"} 8.0',
        "here 11.004",
    ]


def test_histograms_are_added_by_bucket() -> None:
    lines = Page(reading("1", a=1), reading("2", b=0.004, c=8)).lines()
    took = dict(line.rsplit(" ", 1) for line in lines if line.startswith("took"))
    assert took['took_bucket{le="0.0025"}'] == "0.0"
    assert took['took_bucket{le="0.005"}'] == "1.0"
    assert took['took_bucket{le="1.0"}'] == "2.0"
    assert (took['took_bucket{le="+Inf"}'], took["took_count"], took["took_sum"]) == ("3.0", "3.0", "9.004")


def test_what_describes_a_process_stays_apart() -> None:
    lines = Page(reading("1", a=1), reading("2", b=1, c=8)).lines()
    assert [line for line in lines if "memory" in line] == ['memory{worker="1"} 1.0', 'memory{worker="2"} 2.0']


def test_an_info_is_no_amount() -> None:
    info = Metric("build", "The version.", "info")
    info.add_sample("build_info", {"version": "1"}, 1.0)
    families = sums.families([info])
    assert Page(Reading("1", families, []), Reading("2", families, [])).lines() == ['build_info{version="1"} 1.0']


def test_one_reading_is_itself() -> None:
    one = reading("1", a=1, b=2)
    assert sums.families(sums.total([one]))[: len(one.counted)] == one.counted


def test_the_page_is_openmetrics_as_well() -> None:
    """Whose rules are strict about order and names."""
    registry = CollectorRegistry()
    registry.register(Page(reading("1", a=1), reading("2", a=1, b=8)))
    assert {family.name for family in parsed(openmetrics(registry).decode())} == {"ends", "here", "took", "memory"}


def test_readings_travel() -> None:
    one = reading("1", a=1, b=2)
    assert sums.decode(sums.encode(one)) == one


@pytest.mark.parametrize("cut", [0, 1, 100])
def test_half_a_reading_is_none(cut: int) -> None:
    """A worker that dies while it tells has told nothing."""
    with pytest.raises(ValueError, match=r".+"):
        sums.decode(sums.encode(reading("1", a=1))[:cut])
