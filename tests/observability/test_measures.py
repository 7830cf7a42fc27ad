"""Counting, and what Prometheus makes of it."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tidings.observability.measures import SECONDS, Histogram, Measures

pytestmark = pytest.mark.core


def exposed(measures: Measures) -> list[str]:
    """The lines that are not comments."""
    registry = CollectorRegistry()
    registry.register(measures)
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_a_counter():
    """Adds up for each combination of its labels."""
    measures = Measures()
    counter = measures.counter("drops", "Drops.", "namespace", "policy")
    counter.add(1, "chat", "latest")
    counter.add(2, "chat", "latest")
    counter.add(5, "", "latest")
    assert exposed(measures) == [
        'drops_total{namespace="chat",policy="latest"} 3.0',
        'drops_total{namespace="",policy="latest"} 5.0',
    ]


def test_a_gauge():
    """Goes up and comes down, and stays when it is back at 0."""
    measures = Measures()
    gauge = measures.gauge("open", "Open.", "kind")
    gauge.add(1, "a")
    gauge.add(1, "b")
    gauge.add(-1, "a")
    assert exposed(measures) == ['open{kind="a"} 0.0', 'open{kind="b"} 1.0']


def test_a_histogram():
    """Counts what is at most each bound, the bound itself included, and adds everything up."""
    histogram = Histogram("took", "Took.", (0.5, 2.0), "method")
    for value in (0.25, 0.5, 0.75, 2.0, 3.0):
        histogram.observe(value, "rpc")
    (family,) = [histogram.collect()]
    assert [(sample.name, sample.labels.get("le"), sample.value) for sample in family.samples] == [
        ("took_bucket", "0.5", 2.0),
        ("took_bucket", "2.0", 4.0),
        ("took_bucket", "+Inf", 5.0),
        ("took_count", None, 5.0),
        ("took_sum", None, 6.5),
    ]


def test_labelled_histograms_are_apart():
    """Each combination of labels has counts of its own."""
    measures = Measures()
    histogram = measures.histogram("took", "Took.", "method")
    histogram.observe(0.25, "rpc")
    histogram.observe(4.0, "send")
    lines = exposed(measures)
    assert 'took_sum{method="rpc"} 0.25' in lines
    assert 'took_sum{method="send"} 4.0' in lines
    assert 'took_bucket{le="0.25",method="rpc"} 1.0' in lines
    assert 'took_bucket{le="2.5",method="send"} 0.0' in lines


def test_a_histogram_without_labels_is_there_from_the_start():
    """A rate over it is then right from the first value on."""
    measures = Measures()
    measures.histogram("took", "Took.")
    assert exposed(measures) == [
        *(f'took_bucket{{le="{bound}"}} 0.0' for bound in SECONDS),
        'took_bucket{le="+Inf"} 0.0',
        "took_count 0.0",
        "took_sum 0.0",
    ]


def test_the_bounds_reach_from_half_a_millisecond_to_ten_seconds():
    """In growing order, as they are searched."""
    assert (SECONDS[0], SECONDS[-1]) == (0.0005, 10.0)
    assert sorted(SECONDS) == list(SECONDS)
