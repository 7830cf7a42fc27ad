"""Events per second, window by window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.testing.load import Throughput
from tidings.testing.load.throughput import WINDOWS_LIMIT

pytestmark = pytest.mark.core


def test_windows() -> None:
    """Each counts its own; the last one only when it has ended."""
    throughput = Throughput(100.0)
    for now in [100.0, 100.5, 101.0, 102.25, 102.5, 102.75]:
        throughput.add(now)
    assert throughput.rates(102.99) == (2.0, 1.0)
    assert throughput.rates(103.0) == (2.0, 1.0, 3.0)
    assert (throughput.lowest(103.0), throughput.highest(103.0), throughput.mean(103.0)) == (1.0, 3.0, 2.0)
    assert throughput.count == 6


def test_a_pause_is_seen() -> None:
    """The mean hides it, the lowest window does not."""
    throughput = Throughput(0.0, 0.5)
    throughput.add(0.1, 100)
    throughput.add(1.6, 100)
    assert throughput.rates(2.0) == (200.0, 0.0, 0.0, 200.0)
    assert (throughput.lowest(2.0), throughput.mean(2.0)) == (0.0, 100.0)


def test_the_ends_of_windows_are_exact() -> None:
    """Though 0.3 / 0.1 is less than 3 to a computer."""
    throughput = Throughput(0.0, 0.1)
    throughput.add(0.3)
    assert throughput.rates(0.4) == pytest.approx((0.0, 0.0, 0.0, 10.0))


def test_nothing_has_ended_yet() -> None:
    throughput = Throughput(0.0, 2.0)
    throughput.add(1.0)
    assert throughput.mean(0.0) == 0.0
    for ask in (throughput.lowest, throughput.highest):
        with pytest.raises(ValueError, match="measure for 2 s or longer"):
            ask(1.5)


def test_time_that_goes_back() -> None:
    """Counts for the window that is open, and changes none that has ended."""
    throughput = Throughput(0.0)
    throughput.add(5.5)
    throughput.add(0.5)
    throughput.add(-3.0)
    assert throughput.rates(6.0) == (0.0, 0.0, 0.0, 0.0, 0.0, 3.0)


def test_it_is_bounded() -> None:
    """The last windows are kept, over whatever time."""
    throughput = Throughput(0.0)
    throughput.add(0.0)
    throughput.add(1e9)
    assert throughput.rates(1e9 + 1.0) == (0.0,) * (WINDOWS_LIMIT - 1) + (1.0,)
    assert throughput.count == 2


@given(st.lists(st.floats(0.0, 1000.0), max_size=100), st.floats(0.1, 10.0))
def test_every_event_is_in_one_window(times: list[float], window: float) -> None:
    throughput = Throughput(0.0, window)
    for now in sorted(times):
        throughput.add(now)
    rates = throughput.rates(1000.0 + 2 * window)
    assert sum(rates) * window == pytest.approx(len(times) if len(rates) < WINDOWS_LIMIT else sum(rates) * window)


def test_in_words() -> None:
    throughput = Throughput(0.0)
    throughput.add(1.5, 1200)
    assert repr(throughput) == "<Throughput: 1,200 events in 2 windows of 1 s>"
    with pytest.raises(ValueError, match="window is 0"):
        Throughput(0.0, 0.0)
