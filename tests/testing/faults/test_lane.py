"""Several toxics in a row: order, removal, what is held, what was touched."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

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
from tidings.testing.faults.lane import Lane, Stage, Touched
from tidings.testing.faults.machines import End, machine

pytestmark = pytest.mark.core


def put(lane: Lane, toxic: Toxic, *, now: float = 0.0, key: object = "toxic", place: int | None = None) -> Touched:
    touched = Touched()
    lane.insert(Stage(key, machine(toxic, chance=""), touched=touched, now=now), place=place)
    return touched


def test_without_toxics_all_is_due_at_once():
    lane = Lane()
    lane.feed(b"a", 1.0)
    lane.feed(End.FINISHED, 1.0)
    assert lane.take(1.0) == [b"a", End.FINISHED]
    assert lane.deadline() is None


def test_what_waits_is_told_with_its_time():
    lane = Lane()
    put(lane, Latency(latency_ms=500))
    lane.feed(b"abc", 1.0)
    assert (lane.take(1.4), lane.deadline(), lane.held_bytes) == ([], 1.5, 3)
    assert (lane.take(1.5), lane.deadline(), lane.held_bytes) == ([b"abc"], None, 0)


def test_delays_add_up():
    lane = Lane()
    put(lane, Latency(latency_ms=500), key=1)
    put(lane, Latency(latency_ms=250), key=2)
    lane.feed(b"a", 1.0)
    assert lane.take(1.6) == []
    assert lane.deadline() == 1.75
    assert lane.take(1.75) == [b"a"]


def test_time_that_passed_unseen_counts():
    """Asked late, the second toxic counts from when the first let go, not from when somebody looked."""
    lane = Lane()
    put(lane, Latency(latency_ms=500), key=1)
    put(lane, Latency(latency_ms=250), key=2)
    lane.feed(b"a", 1.0)
    assert lane.take(9.0) == [b"a"]


def test_removing_lets_go_on_what_waits():
    lane = Lane()
    put(lane, Latency(latency_ms=10_000), key=1)
    put(lane, Latency(latency_ms=250), key=2)
    lane.feed(b"a", 1.0)
    assert lane.remove(1, 2.0) == 0
    assert lane.remove(1, 2.0) is None
    assert (lane.take(2.0), lane.deadline()) == ([], 2.25)
    assert lane.take(2.25) == [b"a"]


def test_removing_a_blackhole_lets_the_end_through():
    lane = Lane()
    put(lane, Blackhole())
    lane.feed(b"lost", 1.0)
    lane.feed(End.FINISHED, 1.0)
    assert (lane.take(99.0), lane.deadline()) == ([], None)
    lane.remove("toxic", 99.0)
    assert lane.take(99.0) == [End.FINISHED]


def test_removing_a_timeout_takes_its_closing_with_it():
    lane = Lane()
    put(lane, Timeout(timeout_ms=1000))
    assert lane.deadline() == 1.0
    lane.remove("toxic", 0.5)
    assert (lane.take(9.0), lane.deadline()) == ([], None)


def test_closing_comes_after_the_data_before_it():
    lane = Lane()
    put(lane, LimitData(limit_bytes=3), key=1)
    put(lane, Latency(latency_ms=500), key=2)
    lane.feed(b"abcdef", 1.0)
    assert lane.take(1.0) == []
    assert lane.take(1.5) == [b"abc", End.CLOSED]


def test_a_reset_overtakes_what_is_under_way():
    lane = Lane()
    put(lane, ResetPeer(timeout_ms=100), key=1)
    put(lane, Latency(latency_ms=500), key=2)
    lane.feed(b"abc", 0.0)
    assert lane.take(0.1) == [End.RESET]


def test_after_the_end_there_is_nothing():
    lane = Lane()
    put(lane, Timeout(timeout_ms=100))
    assert lane.take(0.1) == [End.CLOSED]
    lane.remove("toxic", 0.2)
    lane.feed(b"late", 0.3)
    assert (lane.take(9.0), lane.deadline()) == ([], None)


@pytest.mark.parametrize(
    ("toxic", "feed", "touched"),
    [
        (Latency(latency_ms=1), [b"abc"], Touched(data_bytes=3, connections=1)),
        (Latency(), [b"abc"], Touched()),
        (Bandwidth(rate_kb=1), [b"abc", b"d"], Touched(data_bytes=4, connections=1)),
        (SlowClose(delay_ms=1), [b"abc"], Touched()),
        (SlowClose(delay_ms=1), [b"abc", End.FINISHED], Touched(ends=1, connections=1)),
        (Blackhole(), [b"abc", End.FINISHED], Touched(data_bytes=3, ends=1, connections=1)),
        (Timeout(timeout_ms=1), [], Touched(ends=1, connections=1)),
        (Timeout(), [], Touched()),
        (ResetPeer(), [], Touched(ends=1, connections=1)),
        (LimitData(limit_bytes=3), [b"ab"], Touched()),
        (LimitData(limit_bytes=3), [b"ab", b"c"], Touched(data_bytes=1, connections=1)),
        (Slicer(average_size=4), [b"abc"], Touched()),
        (Slicer(average_size=2), [b"abc"], Touched(data_bytes=3, connections=1)),
        (Corrupt(rate=1), [b"abc"], Touched(data_bytes=3, connections=1)),
        (Corrupt(rate=0.000_001), [b"abc"], Touched()),
    ],
    ids=repr,
)
def test_touched_is_what_did_not_pass_at_once_and_unchanged(toxic: Toxic, feed: list[bytes | End], touched: Touched):
    lane = Lane()
    counted = put(lane, toxic)
    for event in feed:
        lane.feed(event, 0.0)
    lane.take(10.0)
    assert counted == touched
    assert bool(counted) == (touched != Touched())


FAITHFUL = st.one_of(
    st.builds(Latency, latency_ms=st.integers(0, 5000), jitter_ms=st.integers(0, 5000)),
    st.builds(Bandwidth, rate_kb=st.integers(1, 10)),
    st.builds(Slicer, average_size=st.integers(1, 9), delay_us=st.integers(0, 100_000)),
)


class ToxicsComeAndGo(RuleBasedStateMachine):
    """Whatever faithful toxics come and go, what arrives is what was sent, in order, and nothing waits forever."""

    def __init__(self) -> None:
        super().__init__()
        self.lane = Lane()
        self.now = 0.0
        self.sent = b""
        self.arrived = b""
        self.keys: list[int] = []

    @rule(toxic=FAITHFUL, place=st.integers(0, 3))
    def add(self, toxic: Toxic, place: int) -> None:
        key = max(self.keys, default=0) + 1
        put(self.lane, toxic, now=self.now, key=key, place=min(place, len(self.keys)))
        self.keys.append(key)

    @rule(which=st.integers(0, 9))
    def remove(self, which: int) -> None:
        if self.keys:
            key = self.keys.pop(which % len(self.keys))
            assert self.lane.remove(key, self.now) is not None

    @rule(data=st.binary(min_size=1, max_size=200))
    def send(self, data: bytes) -> None:
        self.lane.feed(data, self.now)
        self.sent += data

    @rule(seconds=st.floats(0, 3))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.arrived += b"".join(event for event in self.lane.take(self.now) if isinstance(event, bytes))

    @invariant()
    def what_arrived_is_what_was_sent_first(self) -> None:
        assert self.sent.startswith(self.arrived)

    def teardown(self) -> None:
        while (deadline := self.lane.deadline()) is not None:
            self.now = max(deadline, self.now)
            self.arrived += b"".join(event for event in self.lane.take(self.now) if isinstance(event, bytes))
        self.arrived += b"".join(event for event in self.lane.take(self.now) if isinstance(event, bytes))
        assert self.arrived == self.sent
        assert self.lane.held_bytes == 0


TestToxicsComeAndGo = ToxicsComeAndGo.TestCase
TestToxicsComeAndGo.settings = settings(max_examples=30, stateful_step_count=20)


@given(st.lists(st.binary(min_size=1, max_size=99), max_size=9), st.integers(0, 300))
def test_held_bytes_are_what_has_not_arrived(chunks: list[bytes], elapsed: int):
    lane = Lane()
    put(lane, Bandwidth(rate_kb=1))
    for chunk in chunks:
        lane.feed(chunk, 0.0)
    arrived = sum(len(event) for event in lane.take(elapsed / 1000) if isinstance(event, bytes))
    assert lane.held_bytes == sum(map(len, chunks)) - arrived
