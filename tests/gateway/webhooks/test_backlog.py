"""What waits to be told: in order per subject, and within its room."""

from __future__ import annotations

from collections import defaultdict
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tidings.balancer.breaker import Breaker
from tidings.gateway.webhooks.backlog import Backlog, Notice, Room

pytestmark = pytest.mark.core

numbers = count(1)


def notice(subject: str = "ada", event: str = "end", body: bytes = b"12345678") -> Notice:
    return Notice(next(numbers), event, subject, body, {}, 0.0)


def backlog(notices: int = 10, size_bytes: int = 1000) -> Backlog:
    room = Room(notices, size_bytes, retry_for=10.0)
    rooms = {"end": room, "leave": room}
    return Backlog(rooms, lambda: Breaker(base=1.0, cap=4.0, draw=lambda: 1.0))


def test_one_of_a_subject_is_out_at_a_time() -> None:
    waiting, first, second, other = backlog(), notice(), notice(), notice("bob")
    for one in (first, second, other):
        assert waiting.add(one) == []
    assert waiting.take("end", 0.0) is first
    assert waiting.take("end", 0.0) is other
    assert not waiting.has("end", 0.0)
    waiting.told(first)
    assert waiting.take("end", 0.0) is second
    waiting.told(second)
    waiting.told(other)
    assert len(waiting) == 0


def test_order_holds_across_events() -> None:
    waiting, leave, end = backlog(), notice(event="leave"), notice()
    waiting.add(leave)
    waiting.add(end)
    assert not waiting.has("end", 0.0)
    waiting.told(waiting.take("leave", 0.0))
    assert waiting.take("end", 0.0) is end


def test_a_failure_pauses_its_subject_only_and_longer_each_time() -> None:
    waiting, mine = backlog(), notice()
    waiting.add(mine)
    now = 0.0
    for pause in (1.0, 2.0, 4.0, 4.0):
        assert waiting.take("end", now) is mine
        waiting.failed(mine, now)
        waiting.add(notice("bob"))
        waiting.told(waiting.take("end", now))
        assert not waiting.has("end", now + pause - 0.01)
        assert waiting.deadline() == now + pause
        now += pause
        assert waiting.has("end", now)


def test_what_arrives_ends_the_pauses() -> None:
    waiting, first, second = backlog(), notice(), notice()
    waiting.add(first)
    waiting.add(second)
    waiting.failed(waiting.take("end", 0.0), 0.0)
    waiting.told(waiting.take("end", 1.0))
    waiting.failed(waiting.take("end", 1.0), 1.0)
    assert waiting.deadline() == 2.0


def test_what_is_refused_for_long_holds_nothing_back() -> None:
    """It is told again like what failed, and given up with the first refusal after its time."""
    waiting, poison, later = backlog(), notice(), notice()
    waiting.add(poison)
    waiting.add(later)
    now = 100.0
    for pause in (1.0, 2.0, 4.0, 4.0):
        assert waiting.take("end", now) is poison
        assert not waiting.refused(poison, now)
        assert waiting.deadline() == now + pause
        now += pause
    assert waiting.take("end", now) is poison
    assert waiting.refused(poison, now)
    assert waiting.take("end", now) is later
    assert not waiting.refused(later, now), "its own time begins with its own refusal"
    assert waiting.deadline() == now + 1.0


def test_what_could_not_be_brought_has_no_end() -> None:
    """Without a refusal its time does not begin, and an endpoint that was away has all the time to refuse it again."""
    waiting, mine = backlog(), notice()
    waiting.add(mine)
    for now in (0.0, 50.0, 100.0):
        waiting.failed(waiting.take("end", now), now)
    assert not waiting.refused(waiting.take("end", 150.0), 150.0)
    waiting.failed(waiting.take("end", 155.0), 155.0)
    assert not waiting.refused(waiting.take("end", 200.0), 200.0)
    assert waiting.refused(waiting.take("end", 210.0), 210.0)
    assert len(waiting) == 0


def test_pushed_out_it_leaves_no_clock_behind() -> None:
    waiting, poison, second, third = backlog(notices=2), notice(), notice(), notice()
    waiting.add(poison)
    waiting.add(second)
    waiting.refused(waiting.take("end", 0.0), 0.0)
    assert waiting.add(third) == [poison]
    assert waiting.take("end", 20.0) is second
    assert not waiting.refused(second, 20.0)


def test_what_was_not_tried_keeps_its_place() -> None:
    waiting, mine = backlog(), notice()
    waiting.add(mine)
    waiting.add(notice("bob"))
    waiting.returned(waiting.take("end", 0.0))
    assert waiting.take("end", 0.0) is mine


def test_the_oldest_makes_room() -> None:
    """But not what is just being told, and of the same event only."""
    waiting = backlog(notices=2)
    first, leave, second, third = notice(), notice("eve", "leave"), notice("bob"), notice("carol")
    for one in (first, leave, second):
        waiting.add(one)
    assert waiting.take("end", 0.0) is first
    assert waiting.add(third) == [second]
    assert waiting.counts() == {"end": 2, "leave": 1}
    assert waiting.take("end", 0.0) is third


def test_room_in_bytes() -> None:
    waiting = backlog(size_bytes=20)
    first, second, third = notice(), notice("bob"), notice("carol")
    assert waiting.add(first) == waiting.add(second) == []
    assert waiting.add(third) == [first]
    huge = notice(body=b"x" * 21)
    assert waiting.add(huge) == [huge]


def test_headers_take_room_as_well() -> None:
    assert Notice(1, "end", "ada", b"123", {"cookie": b"456"}, 0.0).size_bytes == 12


class Told(RuleBasedStateMachine):
    """Whatever fails, pauses and is dropped: of a subject all arrives that was kept, and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.waiting = backlog(notices=4)
        self.out: list[Notice] = []
        self.added: defaultdict[str, list[Notice]] = defaultdict(list)
        self.told: defaultdict[str, list[Notice]] = defaultdict(list)

    @rule(subject=st.sampled_from("abc"), event=st.sampled_from(["end", "leave"]))
    def add(self, subject: str, event: str) -> None:
        one = notice(subject, event)
        self.added[subject].append(one)
        for dropped in self.waiting.add(one):
            assert dropped not in self.out
            self.added[dropped.subject].remove(dropped)

    @rule(event=st.sampled_from(["end", "leave"]))
    def take(self, event: str) -> None:
        if self.waiting.has(event, self.now):
            one = self.waiting.take(event, self.now)
            assert one.subject not in {other.subject for other in self.out}
            self.out.append(one)

    @rule(how=st.sampled_from(["told", "failed", "refused", "returned"]))
    def end(self, how: str) -> None:
        if not self.out:
            return
        one = self.out.pop(0)
        if how == "told":
            self.waiting.told(one)
            self.told[one.subject].append(one)
        elif how == "failed":
            self.waiting.failed(one, self.now)
        elif how == "refused":
            if self.waiting.refused(one, self.now):
                assert self.added[one.subject][len(self.told[one.subject])] is one
                self.added[one.subject].remove(one)
        else:
            self.waiting.returned(one)

    @rule()
    def wait(self) -> None:
        self.now += 4.0

    @invariant()
    def nothing_overtakes(self) -> None:
        for subject, told in self.told.items():
            assert told == self.added[subject][: len(told)]
        assert len(self.waiting) == sum(map(len, self.added.values())) - sum(map(len, self.told.values()))
        assert max(self.waiting.counts().values()) <= 4 + len(self.out)

    def teardown(self) -> None:
        self.now += 4.0
        while self.out:
            self.end("told")
        for _ in range(20):
            for event in ("end", "leave"):
                self.take(event)
            while self.out:
                self.end("told")
        assert self.told == {subject: added for subject, added in self.added.items() if subject in self.told}
        assert len(self.waiting) == 0


TestTold = Told.TestCase
TestTold.settings = settings(max_examples=40, stateful_step_count=40)
