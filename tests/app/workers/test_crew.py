"""Which workers are started, and when."""

from __future__ import annotations

import pytest

from tidings.app.workers.crew import ATTEMPTS, LONGEST_PAUSE, PAUSE, STEADY, Crew

pytestmark = pytest.mark.core

LONG = 1000.0


def crew(size: int = 2) -> Crew:
    """Workers whose pauses are as long as they can be."""
    return Crew(size, draw=lambda: 1.0)


def start(workers: Crew, now: float) -> list[int]:
    due = workers.due(now)
    for number in due:
        workers.started(number)
    return due


def come_up(workers: Crew, now: float = 0.0) -> None:
    for number in start(workers, now):
        workers.ready(number, now)


def test_all_are_started_at_once_and_then_left_alone() -> None:
    workers = crew(3)
    assert start(workers, 0.0) == [1, 2, 3]
    assert start(workers, LONG) == []
    assert workers.deadline() is None


def test_complete_when_each_has_come_up() -> None:
    """One that has ended in the meantime has come up, too."""
    workers = crew()
    start(workers, 0.0)
    workers.ready(1, 1.0)
    assert not workers.is_complete
    workers.ended(1, 2.0)
    workers.ready(2, 3.0)
    assert workers.is_complete


def test_one_that_ended_is_started_after_its_pause() -> None:
    """The other one goes on, and is not started twice."""
    workers = crew()
    come_up(workers)
    workers.ended(2, LONG)
    assert workers.deadline() == LONG + PAUSE
    assert start(workers, LONG) == []
    assert start(workers, LONG + PAUSE) == [2]
    assert workers.deadline() is None


def test_one_that_ends_again_and_again_waits_longer_and_longer() -> None:
    """Up to a bound, and never without an end."""
    workers, now, pauses = crew(), 0.0, []
    come_up(workers)
    for _ in range(10):
        workers.ended(1, now)
        deadline = workers.deadline()
        assert deadline is not None
        pauses.append(deadline - now)
        now = deadline
        assert start(workers, now) == [1]
        workers.ready(1, now)
    assert pauses[:3] == pytest.approx([PAUSE, 2 * PAUSE, 4 * PAUSE])
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE)


def test_one_that_has_worked_for_a_while_begins_anew() -> None:
    workers = crew()
    come_up(workers)
    for _ in range(5):
        workers.ended(1, 0.0)
    start(workers, LONG)
    workers.ready(1, LONG)
    workers.ended(1, LONG + STEADY)
    assert workers.deadline() == pytest.approx(LONG + STEADY + PAUSE)


def test_a_reason_before_anybody_came_up_is_the_end() -> None:
    """What keeps one from starting keeps the others from it, and a single server would end with it as well."""
    workers = crew()
    start(workers, 0.0)
    workers.ended(2, 1.0, "the broker is away")
    assert workers.despair == "the broker is away"


def test_none_that_comes_up_is_the_end_after_some_attempts() -> None:
    workers = crew()
    for attempt in range(ATTEMPTS):
        assert not workers.despair
        now = attempt * LONG
        for number in start(workers, now):
            workers.ended(number, now)
    assert str(ATTEMPTS) in workers.despair


def test_nobody_despairs_once_one_has_come_up() -> None:
    """The broker may be away for a while; it will be back."""
    workers = crew()
    come_up(workers)
    for _ in range(10):
        workers.ended(1, 0.0, "the broker is away")
        workers.ended(2, 0.0, "the broker is away")
    assert not workers.despair
