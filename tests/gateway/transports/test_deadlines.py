"""Deadlines where everybody has the same time: a queue, and one timer."""

from __future__ import annotations

import asyncio

import pytest

from tidings.gateway.transports.deadlines import Deadlines, Watch


@pytest.mark.core
class TestDeadlines:
    """The value machine."""

    def test_those_are_late_whose_time_is_over(self) -> None:
        """In the order in which they began, and once."""
        deadlines = Deadlines[str](10.0)
        deadlines.add("a", 1.0)
        deadlines.add("b", 2.0)
        assert (deadlines.deadline(), deadlines.take(10.9)) == (11.0, [])
        assert deadlines.take(12.0) == ["a", "b"]
        assert (deadlines.deadline(), len(deadlines)) == (None, 0)

    def test_looking_takes_nobody_away(self) -> None:
        deadlines = Deadlines[str](10.0)
        deadlines.add("a", 1.0)
        deadlines.add("b", 2.0)
        assert list(deadlines.late(11.0)) == list(deadlines.late(11.5)) == ["a"]
        assert len(deadlines) == 2

    def test_nobody_gets_more_time(self) -> None:
        """Whoever is expected and begins again has still begun then."""
        deadlines = Deadlines[str](10.0)
        deadlines.add("a", 1.0)
        deadlines.add("a", 9.0)
        assert deadlines.take(11.0) == ["a"]

    def test_whoever_is_done_is_not_late(self) -> None:
        deadlines = Deadlines[str](10.0)
        deadlines.add("a", 1.0)
        deadlines.discard("a")
        deadlines.discard("a")
        assert "a" not in deadlines
        assert (deadlines.deadline(), deadlines.take(99.0)) == (None, [])


@pytest.mark.shell
class TestWatch:
    """The same in a loop."""

    async def test_one_timer_for_all(self) -> None:
        """It rings for each who is late, also for those who came while it ran, and then there is none."""
        late: asyncio.Queue[int] = asyncio.Queue()
        watch = Watch[int](0.02, late.put_nowait)
        watch.add(1)
        watch.add(2)
        watch.discard(1)
        async with asyncio.timeout(10):
            assert await late.get() == 2
            watch.add(3)
            assert await late.get() == 3
        assert late.empty()
        assert watch._timer is None
