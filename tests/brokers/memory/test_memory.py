"""The in-process broker: the contracts, and what is special to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tidings.brokers.base import Accepted, Guard, Retention
from tidings.brokers.memory import MemoryBackend, MemoryBroker, Statistics
from tidings.clock import ManualClock
from tidings.errors import BrokerUnavailable
from tidings.model import ClientInfo, Publication
from tidings.testing.contracts import Backend, FullContract

pytestmark = pytest.mark.shell

KEPT = Retention(size=100, ttl=60.0, meta_ttl=3600.0)
ANN = ClientInfo("ann", "client-1")


class TestContract(FullContract):
    """What it promises like every other backend."""

    @pytest.fixture
    def backend(self) -> Backend:
        clock, memory = ManualClock(), MemoryBackend()

        async def advance(seconds: float) -> None:
            clock.advance(seconds)

        return Backend(lambda: MemoryBroker(clock, memory), advance)


class Reacting:
    """A receiver that notes what it hears, and does something the first time."""

    def __init__(self, reaction: Callable[[], None] = lambda: None) -> None:
        self.heard: list[bytes] = []
        self.reaction = reaction

    def on_publication(self, channel: str, publication: Publication, epoch: str) -> None:
        self.heard.append(publication.data)
        if len(self.heard) == 1:
            self.reaction()

    def on_join(self, channel: str, info: ClientInfo) -> None: ...

    def on_leave(self, channel: str, info: ClientInfo) -> None: ...

    def on_resumed(self, channels: Collection[str]) -> None: ...

    def on_interrupted(self, reason: str) -> None: ...

    def on_message(self, message: bytes) -> None: ...


def answer(call: Coroutine[Any, Any, Any]) -> Any:
    """The result of a call that does not wait, without a loop."""
    try:
        call.send(None)
    except StopIteration as done:
        return done.value
    call.close()
    raise AssertionError("the call waits")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def start(clock: ManualClock, memory: MemoryBackend):
    """Start a node on the test's backend."""

    def start(receiver: Reacting | None = None, *channels: str) -> MemoryBroker:
        broker = MemoryBroker(clock, memory)
        answer(broker.start(receiver or Reacting()))
        for channel in channels:
            answer(broker.subscribe(channel))
        return broker

    return start


# Being here.


def test_brokers_of_their_own_do_not_see_each_other(clock: ManualClock):
    """Without a common backend, each broker is a world of its own."""
    here, there = MemoryBroker(clock), MemoryBroker(clock)
    receiver = Reacting()
    answer(here.start(receiver))
    answer(there.start(Reacting()))
    answer(here.subscribe("news"))
    answer(there.append("news", Publication(b"1"), KEPT))
    answer(there.enter("news", ANN, 60.0))
    assert receiver.heard == []
    assert answer(here.read("news", KEPT)).publications == ()
    assert answer(here.present("news")) == {}


def test_calls_before_the_start_raise(clock: ManualClock):
    """There is nobody to tell yet."""
    with pytest.raises(BrokerUnavailable):
        answer(MemoryBroker(clock).publish("news", Publication(b"1")))


def test_everybody_has_been_told_when_publish_returns(start):
    """No loop turns between accepting and delivering."""
    first, second = Reacting(), Reacting()
    broker = start(first, "news")
    start(second, "news")
    answer(broker.publish("news", Publication(b"1")))
    answer(broker.append("news", Publication(b"2"), KEPT))
    assert first.heard == second.heard == [b"1", b"2"]


# Publishing from within a callback.


def test_what_a_receiver_publishes_comes_after_what_it_hears(start):
    """On every node, also those that are told after the one that publishes."""
    first, second = Reacting(), Reacting()
    broker = start(first, "news")
    start(second, "news")
    first.reaction = lambda: answer(broker.append("news", Publication(b"2"), KEPT))
    answer(broker.append("news", Publication(b"1"), KEPT))
    assert first.heard == second.heard == [b"1", b"2"]


def test_a_receiver_may_repeat_the_call_that_told_it(start):
    """The key is known before anybody hears of the publication."""
    receiver = Reacting()
    broker = start(receiver, "news")
    results: list[Accepted] = []

    def publish() -> Accepted:
        return answer(broker.append("news", Publication(b"1"), KEPT, guard=Guard("once")))

    receiver.reaction = lambda: results.append(publish())
    results.append(publish())
    assert [accepted.fresh for accepted in results] == [False, True]
    assert receiver.heard == [b"1"]


def test_a_receiver_that_raises_does_not_silence_the_broker(start):
    """It breaks its promise, and the publication in hand; what follows is delivered."""
    receiver = Reacting(lambda: 1 / 0)
    broker = start(receiver, "news")
    with suppress(ZeroDivisionError):
        answer(broker.publish("news", Publication(b"1")))
    answer(broker.publish("news", Publication(b"2")))
    assert receiver.heard == [b"1", b"2"]


# Memory.


def test_what_expired_goes_without_being_asked_for(start, clock: ManualClock, memory: MemoryBackend):
    """Calls about one channel remove what is left of a thousand others."""
    broker = start()
    for number in range(1000):
        answer(broker.append(f"c{number}", Publication(b"1"), KEPT, guard=Guard("once")))
        answer(broker.enter(f"c{number}", ANN, 30.0))
    assert memory.statistics() == Statistics(streams=1000, retained=1000, occupied=1000, results=1000, leases=1000)
    clock.advance(KEPT.ttl)
    for _ in range(500):
        answer(broker.count("news"))
    assert memory.statistics() == Statistics(streams=1000, results=1000)
    clock.advance(KEPT.meta_ttl)
    for _ in range(500):
        answer(broker.count("news"))
    assert memory.statistics() == Statistics()


def test_what_was_undone_leaves_nothing_behind(start, memory: MemoryBackend):
    """Neither subscriptions that ended, nor clients that left, nor publications that were removed."""
    broker = start(None, "news", "sport")
    answer(broker.enter("news", ANN, 60.0))
    answer(broker.append("news", Publication(b"1"), KEPT))
    assert memory.statistics() == Statistics(subscribed=2, streams=1, retained=1, occupied=1, leases=1)
    answer(broker.unsubscribe("sport"))
    answer(broker.leave("news", ANN.client))
    answer(broker.remove("news"))
    answer(broker.stop())
    assert memory.statistics() == Statistics(streams=1)


def test_publications_do_not_outlive_their_stream(start, clock: ManualClock):
    """Where they would be kept for longer than the position, a new stream begins without the old one's."""
    retention = Retention(size=100, ttl=60.0, meta_ttl=10.0)
    broker = start()
    answer(broker.append("news", Publication(b"1"), retention))
    clock.advance(20.0)
    answer(broker.append("news", Publication(b"2"), retention))
    (kept,) = answer(broker.read("news", retention)).publications
    assert (kept.offset, kept.data) == (1, b"2")


# History, against a model.


class NaiveStream:
    """A channel's stream as one would explain it: a list, and two moments at which something ends."""

    def __init__(self) -> None:
        self.epochs: list[str] = []
        self.begin()

    def begin(self) -> None:
        self.epoch = ""
        self.top = 0
        self.kept: list[tuple[int, bytes]] = []
        self.kept_until = self.used_until = 0.0

    def use(self, now: float, retention: Retention) -> None:
        if self.used_until <= now:
            self.begin()
        if self.kept_until <= now:
            self.kept = []
        self.used_until = now + retention.meta_ttl

    def append(self, data: bytes, now: float, retention: Retention) -> None:
        self.use(now, retention)
        self.top += 1
        self.kept = [*self.kept, (self.top, data)][-retention.size :]
        self.kept_until = now + retention.ttl

    def read(self, since: int | None, limit: int | None, reverse: bool) -> list[tuple[int, bytes]]:
        if reverse:
            found = [each for each in reversed(self.kept) if since is None or each[0] < since]
        else:
            found = [each for each in self.kept if since is None or each[0] > since]
        return found if limit is None else found[:limit]

    def check_epoch(self, epoch: str) -> None:
        """One epoch for as long as the stream lives, and never again afterwards."""
        if self.epoch == "":
            assert epoch not in ("", *self.epochs)
            self.epochs.append(epoch)
            self.epoch = epoch
        assert epoch == self.epoch


CHANNELS = st.sampled_from(["news", "sport"])
RETENTIONS = st.builds(Retention, st.integers(1, 5), st.sampled_from([3.0, 10.0]), st.sampled_from([10.0, 50.0]))
OFFSETS = st.none() | st.integers(0, 12)


class HistoryMachine(RuleBasedStateMachine):
    """Does the same to a broker and to the naive streams, and compares what they answer."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        answer(self.broker.start(Reacting()))
        self.streams = {"news": NaiveStream(), "sport": NaiveStream()}
        self.payloads = map(b"%d".__mod__, itertools.count())

    @rule(channel=CHANNELS, retention=RETENTIONS)
    def append(self, channel: str, retention: Retention) -> None:
        stream, data = self.streams[channel], next(self.payloads)
        accepted = answer(self.broker.append(channel, Publication(data), retention))
        stream.append(data, self.clock.now(), retention)
        stream.check_epoch(accepted.position.epoch)
        assert accepted.position.offset == stream.top

    @rule(channel=CHANNELS, retention=RETENTIONS, since=OFFSETS, limit=OFFSETS, reverse=st.booleans())
    def read(self, channel: str, retention: Retention, since: int | None, limit: int | None, reverse: bool) -> None:
        stream = self.streams[channel]
        page = answer(self.broker.read(channel, retention, since=since, limit=limit, reverse=reverse))
        stream.use(self.clock.now(), retention)
        stream.check_epoch(page.top.epoch)
        assert page.top.offset == stream.top
        assert [(each.offset, each.data) for each in page.publications] == stream.read(since, limit, reverse)

    @rule(channel=CHANNELS)
    def remove(self, channel: str) -> None:
        answer(self.broker.remove(channel))
        self.streams[channel].kept = []

    @rule(seconds=st.integers(1, 12))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)


def test_history_is_that_of_a_list():
    """Whatever is appended, read, removed and waited for in any order, a list would have answered the same."""
    run_state_machine_as_test(HistoryMachine, settings=settings(max_examples=150, stateful_step_count=40))
