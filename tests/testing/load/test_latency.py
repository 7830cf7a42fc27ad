"""What a recorder says is what was recorded, to a thousandth."""

from __future__ import annotations

import json
import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.testing.load import LatencyRecorder, Summary
from tidings.testing.load.latency import LONGEST

pytestmark = pytest.mark.core

LATENCIES = st.lists(st.floats(1e-6, 100.0), min_size=1, max_size=100)


def of(*seconds: float) -> LatencyRecorder:
    recorder = LatencyRecorder()
    for value in seconds:
        recorder.record(value)
    return recorder


def test_a_summary() -> None:
    """1 ms to 1 s in steps of 1 ms: percentiles are the ranks, minimum, mean and maximum are exact."""
    summary = of(*(number / 1000 for number in range(1, 1001))).summary()
    assert summary.count == 1000
    assert (summary.minimum, summary.maximum) == (0.001, 1.0)
    assert summary.mean == pytest.approx(0.5005)
    assert [summary.p50, summary.p95, summary.p99, summary.p999] == pytest.approx([0.5, 0.95, 0.99, 0.999], rel=0.001)


@given(LATENCIES, st.sampled_from([0.1, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0]))
def test_at_least_so_many_are_no_slower(seconds: list[float], percent: float) -> None:
    """The percentile is the smallest recorded value for which that is true, within three digits."""
    rank = math.ceil(round(percent * len(seconds) / 100, 6))
    assert of(*seconds).percentile(percent) == pytest.approx(sorted(seconds)[rank - 1], rel=0.001)


@given(LATENCIES)
def test_the_summary_is_in_order(seconds: list[float]) -> None:
    summary = of(*seconds).summary()
    ordered = [summary.p50, summary.p95, summary.p99, summary.p999, summary.maximum]
    assert ordered == sorted(ordered)
    assert summary.maximum == max(seconds)
    assert summary.mean == pytest.approx(fmean(seconds))


@given(LATENCIES, LATENCIES)
def test_merging_is_recording_all(first: list[float], second: list[float]) -> None:
    merged = of(*first)
    merged.merge(of(*second))
    both = of(*first, *second).summary()
    assert merged.summary().mean == pytest.approx(both.mean)
    assert merged.summary() == Summary(**{**fields(both), "mean": merged.summary().mean})


def fields(summary: Summary) -> dict[str, float]:
    return {name: getattr(summary, name) for name in summary.__struct_fields__}


def test_merging_with_nothing() -> None:
    recorder = of(0.25)
    recorder.merge(LatencyRecorder())
    assert recorder.summary() == of(0.25).summary()


def test_from_one_process_to_another() -> None:
    """As text, by which nothing is lost but what the buckets never knew."""
    recorder = of(0.001, 0.002, 1.5)
    received = LatencyRecorder.decode(recorder.encode())
    assert received.summary() == recorder.summary()
    received.merge(recorder)
    assert received.count == 6
    assert LatencyRecorder.decode(LatencyRecorder().encode()).count == 0


@pytest.mark.parametrize("text", ["", "[]", "{", '{"histogram": "?"}', '{"histogram": 3}'])
def test_what_is_no_recorder(text: str) -> None:
    with pytest.raises(ValueError, match=r"not what LatencyRecorder.encode\(\) wrote"):
        LatencyRecorder.decode(text)


def test_an_empty_recorder_has_nothing_to_say() -> None:
    """So that a test in which nothing happened does not pass as a fast one."""
    for ask in [LatencyRecorder().summary, LatencyRecorder().plot, lambda: LatencyRecorder().percentile(50)]:
        with pytest.raises(ValueError, match="Nothing was recorded"):
            ask()
    assert repr(LatencyRecorder()) == "<LatencyRecorder: nothing recorded>"


@pytest.mark.parametrize("seconds", [-0.001, math.inf, math.nan])
def test_what_is_no_latency(seconds: float) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        of(seconds)


@pytest.mark.parametrize("percent", [-1.0, 101.0, math.nan])
def test_what_is_no_percentile(percent: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        of(1.0).percentile(percent)


def test_the_ends_of_the_scale() -> None:
    """Nothing at all is a latency, and what is longer than an hour counts as one."""
    summary = of(0.0, 1e-9, 10 * LONGEST).summary()
    assert (summary.minimum, summary.maximum, summary.count) == (0.0, LONGEST, 3)


def test_json() -> None:
    """All of a summary, in seconds, by the names of its fields."""
    summary = of(0.5, 0.25).summary()
    assert json.loads(summary.json()) == fields(summary)
    assert json.loads(summary.json())["count"] == 2


def test_in_words() -> None:
    words = "2 calls: mean 375 ms, p50 250 ms, p95 500 ms, p99 500 ms, p99.9 500 ms, max 500 ms"
    assert str(of(0.25, 0.5).summary()) == words
    assert repr(of(0.25, 0.5)) == f"<LatencyRecorder: {words}>"


def test_a_block_that_fails_is_measured_too() -> None:
    """Calls that time out are the slowest there are."""
    recorder = LatencyRecorder()
    with pytest.raises(KeyError), recorder.time():
        raise KeyError("x")
    assert recorder.count == 1
