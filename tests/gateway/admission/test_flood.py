"""What is a flood, and what follows."""

from __future__ import annotations

import pytest

from tidings.gateway.admission.flood import LEAST, PAUSE_LIMIT, Course, Flood
from tidings.gateway.admission.rate import Rate

pytestmark = pytest.mark.core

RATE = Rate(20, 2.0)


def courses(flood: Flood, count: int, now: float) -> list[Course]:
    return [flood.refused(RATE, now) for _ in range(count)]


def test_as_many_refused_as_the_limit_allows_slow_it_and_the_same_again_cuts_it() -> None:
    flood = Flood()
    assert courses(flood, 20, 100.0) == [Course.REFUSE] * 19 + [Course.SLOW]
    assert flood.until == 102.0
    assert courses(flood, 20, 102.0) == [Course.REFUSE] * 19 + [Course.CUT]


def test_what_had_been_read_before_the_pause_is_refused_and_nothing_more() -> None:
    flood = Flood()
    courses(flood, 20, 100.0)
    assert courses(flood, 1000, 100.0) == [Course.REFUSE] * 1000


def test_who_heeds_it_is_forgiven() -> None:
    """After a window with fewer, all begins anew: it is slowed, and not cut."""
    flood = Flood()
    courses(flood, 20, 100.0)
    assert courses(flood, 19, 103.0) == [Course.REFUSE] * 19
    assert courses(flood, 20, 105.1) == [Course.REFUSE] * 19 + [Course.SLOW]


def test_a_little_too_much_is_no_flood() -> None:
    """One refusal now and then, for ever."""
    flood = Flood()
    assert {flood.refused(RATE, 100.0 + second / 5) for second in range(1000)} == {Course.REFUSE}


def test_below_a_few_nothing_is_a_flood() -> None:
    flood = Flood()
    assert [flood.refused(Rate(1, 1.0), 100.0) for _ in range(LEAST)] == [Course.REFUSE] * (LEAST - 1) + [Course.SLOW]


def test_no_pause_is_long() -> None:
    """However long the window."""
    flood = Flood()
    for _ in range(20):
        flood.refused(Rate(20, 3600.0), 100.0)
    assert flood.until == 100.0 + PAUSE_LIMIT
