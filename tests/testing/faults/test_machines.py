"""What a toxic does, as values: bytes and a time in, times and bytes out."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.testing.faults import (
    Bandwidth,
    Blackhole,
    Corrupt,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)
from tidings.testing.faults.machines import NEVER, End, Machine, Timed, machine

pytestmark = pytest.mark.core

GAPS = st.floats(0, 2, allow_nan=False)
ARRIVALS = st.lists(st.tuples(GAPS, st.binary(min_size=1, max_size=400)), max_size=20)
"""Chunks of data, and the seconds since the one before."""

LATENCIES = st.builds(Latency, latency_ms=st.integers(0, 5000), jitter_ms=st.integers(0, 5000))
BANDWIDTHS = st.builds(Bandwidth, rate_kb=st.integers(1, 100))
SLICERS = st.integers(1, 50).flatmap(
    lambda size: st.builds(
        Slicer,
        average_size=st.just(size),
        size_variation=st.integers(0, size - 1),
        delay_us=st.integers(0, 100_000),
    )
)
CORRUPTIONS = st.builds(Corrupt, rate=st.floats(0.001, 1), seed=st.integers(0, 9))
FAITHFUL = st.one_of(LATENCIES, BANDWIDTHS, SLICERS, st.builds(SlowClose, delay_ms=st.integers(0, 9)))
"""Toxics that change when bytes arrive, and not which."""


def arrive(toxic: Toxic, arrivals: list[tuple[float, bytes]], *, chance: str = "") -> list[Timed]:
    """All that comes out for data that comes in, and for its end right after the last."""
    subject = machine(toxic, chance=chance)
    times = list(accumulate((gap for gap, _ in arrivals), initial=100.0))[1:] or [100.0]
    out = [each for at, (_, data) in zip(times, arrivals, strict=False) for each in subject.step(data, at)]
    return out + subject.step(End.FINISHED, times[-1])


def joined(out: list[Timed]) -> bytes:
    return b"".join(event for _, event in out if isinstance(event, bytes))


# For all of them.


@given(FAITHFUL, ARRIVALS, st.text())
def test_no_byte_is_lost_and_order_is_kept(toxic: Toxic, arrivals: list[tuple[float, bytes]], chance: str):
    out = arrive(toxic, arrivals, chance=chance)
    assert joined(out) == b"".join(data for _, data in arrivals)
    assert [at for at, _ in out] == sorted(at for at, _ in out)
    assert out[-1][1] is End.FINISHED
    assert all(at >= 100.0 for at, _ in out)


@given(st.one_of(FAITHFUL, CORRUPTIONS), ARRIVALS, st.text())
def test_chance_decides_the_same_way_again(toxic: Toxic, arrivals: list[tuple[float, bytes]], chance: str):
    assert arrive(toxic, arrivals, chance=chance) == arrive(toxic, arrivals, chance=chance)


# One by one.


@given(st.integers(0, 5000), st.integers(0, 5000), st.text())
def test_latency_is_within_its_jitter(latency: int, jitter: int, chance: str):
    subject = machine(Latency(latency_ms=latency, jitter_ms=jitter), chance=chance)
    ((at, data),) = subject.step(b"x", 10.0)
    assert data == b"x"
    assert max(latency - jitter, 0) / 1000 - 1e-6 <= at - 10.0 <= (latency + jitter) / 1000 + 1e-6


def test_latency_delays_the_end_as_well():
    subject = machine(Latency(latency_ms=200), chance="")
    assert subject.step(b"x", 1.0) == [(1.2, b"x")]
    assert subject.step(End.FINISHED, 1.5) == [(1.7, End.FINISHED)]


@given(BANDWIDTHS, ARRIVALS)
def test_bandwidth_is_never_exceeded_over_any_window(toxic: Bandwidth, arrivals: list[tuple[float, bytes]]):
    """What arrives after one moment and up to another takes at least its time on the line."""
    out = [(at, event) for at, event in arrive(toxic, arrivals) if isinstance(event, bytes)]
    sums = list(accumulate(len(event) for _, event in out))
    for first in range(len(out)):
        for last in range(first + 1, len(out)):
            seconds = out[last][0] - out[first][0]
            assert sums[last] - sums[first] <= toxic.rate_kb * 1000 * seconds + 1e-3


def test_bandwidth_is_used_fully():
    """A hundred kilobytes take a second at a hundred a second, in pieces."""
    out = machine(Bandwidth(rate_kb=100), chance="").step(bytes(100_000), 5.0)
    assert out[-1][0] == pytest.approx(6.0)
    assert len(out) == 50


def test_slow_close_delays_only_the_end():
    subject = machine(SlowClose(delay_ms=300), chance="")
    assert subject.step(b"x", 1.0) == [(1.0, b"x")]
    assert subject.step(End.FINISHED, 1.0) == [(1.3, End.FINISHED)]


def test_timeout_swallows_and_then_closes():
    subject = machine(Timeout(timeout_ms=500), chance="")
    assert subject.begin(2.0) == [(2.5, End.CLOSED)]
    assert subject.step(b"x", 2.1) == []
    assert subject.step(End.FINISHED, 2.2) == [(NEVER, End.FINISHED)]


@pytest.mark.parametrize("toxic", [Timeout(timeout_ms=0), Blackhole()])
def test_timeout_of_zero_and_blackhole_never_close(toxic: Toxic):
    subject = machine(toxic, chance="")
    assert subject.begin(2.0) == []
    assert subject.step(b"x", 2.1) == []
    assert subject.step(End.FINISHED, 2.2) == [(NEVER, End.FINISHED)]


def test_reset_peer_lets_data_through_until_then():
    subject = machine(ResetPeer(timeout_ms=500), chance="")
    assert subject.begin(2.0) == [(2.5, End.RESET)]
    assert subject.step(b"x", 2.1) == [(2.1, b"x")]


@given(SLICERS, ARRIVALS, st.text())
def test_slices_have_their_size_and_distance(toxic: Slicer, arrivals: list[tuple[float, bytes]], chance: str):
    for data in (data for _, data in arrivals):
        out = machine(toxic, chance=chance).step(data, 1.0)
        sizes = [len(event) for _, event in out if isinstance(event, bytes)]
        assert all(abs(size - toxic.average_size) <= toxic.size_variation for size in sizes[:-1])
        assert sizes[-1] <= toxic.average_size + toxic.size_variation
        assert out[0][0] == 1.0
        assert all(math.isclose(b - a, toxic.delay_us / 1e6, abs_tol=1e-9) for (a, _), (b, _) in pairwise(out))


def test_slices_keep_their_distance_from_one_call_to_the_next():
    subject = machine(Slicer(average_size=1, delay_us=100_000), chance="")
    assert subject.step(b"ab", 0.0) == [(0.0, b"a"), (0.1, b"b")]
    assert subject.step(b"c", 0.15) == [(0.2, b"c")]
    assert subject.step(b"d", 1.0) == [(1.0, b"d")]


@given(st.integers(0, 500), ARRIVALS)
def test_limit_data_lets_through_so_much_and_closes(limit: int, arrivals: list[tuple[float, bytes]]):
    out = arrive(LimitData(limit_bytes=limit), arrivals)
    sent = b"".join(data for _, data in arrivals)
    events = [event for _, event in out]
    assert joined(out).startswith(sent[:limit])
    if sent and len(sent) >= limit:
        closed = events.index(End.CLOSED)
        assert joined(out[:closed]) == sent[:limit]
    else:
        assert End.CLOSED not in events


@given(CORRUPTIONS, ARRIVALS, st.text())
def test_corrupt_keeps_the_length_of_each_piece(toxic: Corrupt, arrivals: list[tuple[float, bytes]], chance: str):
    out = arrive(toxic, arrivals, chance=chance)
    assert [len(event) for _, event in out if isinstance(event, bytes)] == [len(data) for _, data in arrivals]


@pytest.mark.parametrize("rate", [0.01, 0.5, 1.0])
def test_corrupt_changes_its_share(rate: float):
    ((_, data),) = machine(Corrupt(rate=rate), chance="x").step(bytes(100_000), 0.0)
    assert isinstance(data, bytes)
    changed = sum(byte != 0 for byte in data)
    assert changed == pytest.approx(100_000 * rate, rel=0.15)


def test_corrupt_has_a_seed_of_its_own():
    outs = [machine(Corrupt(rate=0.5, seed=seed), chance="x").step(bytes(100), 0.0) for seed in (1, 1, 2)]
    assert outs[0] == outs[1] != outs[2]


def test_nothing_else_is_a_toxic():
    with pytest.raises(TypeError, match=r"'slow' is no toxic; take one such as Latency\(latency_ms=200\)\."):
        machine("slow", chance="")  # type: ignore[arg-type]


def test_a_plain_machine_lets_everything_through():
    assert Machine().step(b"x", 1.0) == [(1.0, b"x")]
    assert Machine().step(End.RESET, 1.0) == [(1.0, End.RESET)]
    assert Machine().begin(1.0) == []
