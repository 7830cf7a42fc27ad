"""The channels of one node, over the memory broker and over brokers that misbehave."""

from __future__ import annotations

import asyncio

import pytest

from tidings import events
from tidings.brokers.base import NO_GUARD, Accepted, Guard, Page, Retention
from tidings.brokers.memory import MemoryBroker
from tidings.channels.hub import Hub, Wish
from tidings.channels.namespaces import Namespaces
from tidings.channels.options import ChannelOptions
from tidings.channels.topic import Terms
from tidings.clock import ManualClock
from tidings.errors import BrokerUnavailable, NotAvailable, UnknownChannel, UnrecoverablePosition
from tidings.hooks import Hooks
from tidings.model import ClientInfo, Publication, StreamPosition

pytestmark = pytest.mark.shell

PLAIN = ChannelOptions()
KEPT = ChannelOptions(history_size=10, history_ttl=60.0, force_recovery=True)
SEEN = ChannelOptions(presence=True, join_leave=True, force_push_join_leave=True)
INFO = ClientInfo("42", "c1")
POSITIONED = Terms(positioned=True, recoverable=True)


class Listener:
    """A subscriber that notes what it is handed."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_insufficient_state(self, channel: str) -> None:
        self.heard.append(f"lost {channel}")


class Listeners:
    """The audience of a channel."""

    def __init__(self, channel: str, options: ChannelOptions) -> None:
        self.members: dict[Listener, bool] = {}

    def __len__(self) -> int:
        return len(self.members)

    def add(self, subscriber: Listener, *, join_leave: bool) -> None:
        self.members[subscriber] = join_leave

    def discard(self, subscriber: Listener) -> None:
        self.members.pop(subscriber, None)

    def publish(self, publication: Publication) -> None:
        self._tell(publication.data.decode())

    def join(self, info: ClientInfo) -> None:
        self._tell(f"join {info.client}", watchers=True)

    def leave(self, info: ClientInfo) -> None:
        self._tell(f"leave {info.client}", watchers=True)

    def _tell(self, text: str, *, watchers: bool = False) -> None:
        for member, watches in self.members.items():
            if watches or not watchers:
                member.heard.append(text)


class CountingBroker(MemoryBroker):
    """Notes the calls that it gets, and can be told to lose publications or to be away."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.calls: list[str] = []
        self.away = False
        self.muted = False
        self.fails_reads: Exception | None = None
        self.slow_leave: asyncio.Event | None = None
        self.entered = 0

    async def subscribe(self, channel: str) -> None:
        self.calls.append(f"subscribe {channel}")
        await asyncio.sleep(0)
        self._answer()
        await super().subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        self.calls.append(f"unsubscribe {channel}")
        await asyncio.sleep(0)
        await super().unsubscribe(channel)

    async def append(
        self, channel: str, publication: Publication, retention: Retention, *, guard: Guard = NO_GUARD
    ) -> Accepted:
        if self.muted:
            await super().unsubscribe(channel)
        accepted = await super().append(channel, publication, retention, guard=guard)
        if self.muted:
            await super().subscribe(channel)
        return accepted

    async def read(
        self,
        channel: str,
        retention: Retention,
        *,
        since: int | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Page:
        self.calls.append(f"read {channel} {since}")
        page = await super().read(channel, retention, since=since, limit=limit, reverse=reverse)
        await asyncio.sleep(0)
        self._answer()
        if self.fails_reads is not None:
            raise self.fails_reads
        return page

    async def enter(self, channel: str, info: ClientInfo, lease: float) -> None:
        self.entered += 1
        await super().enter(channel, info, lease)

    async def leave(self, channel: str, client: str) -> None:
        if self.slow_leave is not None:
            await self.slow_leave.wait()
        await super().leave(channel, client)

    def _answer(self) -> None:
        if self.away:
            raise BrokerUnavailable


class House:
    """A hub with its surroundings."""

    def __init__(self, *, lease: float = 30.0) -> None:
        self.clock = ManualClock()
        self.facts: list[events.Fact] = []
        self.broker = CountingBroker(self.clock)
        self.hub: Hub[Listener] = Hub(
            self.broker,
            Namespaces(PLAIN, {"kept": KEPT, "seen": SEEN}),
            Listeners,
            clock=self.clock,
            hooks=Hooks(self.facts.append),
            recovery_limit=5,
            lease=lease,
        )

    async def subscribe(self, channel: str, terms: Terms = POSITIONED, info: ClientInfo = INFO) -> Listener:
        listener = Listener()
        options = self.hub.namespaces.options(channel)
        await self.hub.subscribe(listener, [Wish(channel, options, terms, info)])
        return listener

    @property
    def gaps(self) -> list[events.Fact]:
        return [fact for fact in self.facts if isinstance(fact, events.GapFound)]

    async def publish(self, channel: str, *texts: str) -> None:
        for text in texts:
            await self.hub.publish(channel, Publication(text.encode()))


@pytest.fixture
async def house():
    house = House()
    await house.hub.start()
    yield house
    house.broker.away = False
    await house.hub.stop()


class TestSubscribing:
    async def test_publications_arrive_from_then_on(self, house: House) -> None:
        await house.publish("news", "before")
        listener = await house.subscribe("news")
        await house.publish("news", "after")
        assert listener.heard == ["after"]

    async def test_the_broker_is_asked_once_for_a_channel(self, house: House) -> None:
        """However many subscribe, at the same time or later, and until the last has gone."""
        one, two = await asyncio.gather(house.subscribe("news"), house.subscribe("news"))
        await house.subscribe("news")
        house.hub.unsubscribe(one, "news", PLAIN, INFO)
        assert house.broker.calls == ["subscribe news"]
        await house.publish("news", "hello")
        assert (one.heard, two.heard) == ([], ["hello"])

    async def test_the_last_one_to_leave_signs_the_channel_off(self, house: House) -> None:
        listener = await house.subscribe("news")
        house.hub.unsubscribe(listener, "news", PLAIN, INFO)
        assert house.hub.channels() == {}
        again = await house.subscribe("news")
        assert house.broker.calls == ["subscribe news", "unsubscribe news", "subscribe news"]
        await house.publish("news", "hello")
        assert again.heard == ["hello"]

    async def test_newcomers_to_a_known_stream_read_nothing(self, house: House) -> None:
        await house.subscribe("kept:a")
        await house.publish("kept:a", "1")
        house.broker.calls.clear()
        listener = Listener()
        wish = Wish("kept:a", KEPT, POSITIONED, INFO)
        (recovery,) = await house.hub.subscribe(listener, [wish])
        assert recovery.position.offset == 1
        assert house.broker.calls == []

    async def test_equal_reads_share_one_call(self, house: House) -> None:
        """Ten thousand clients of a node that died come back with the same position."""
        await house.subscribe("kept:a")
        await house.publish("kept:a", "1", "2")
        epoch = (await house.hub.history("kept:a")).top.epoch
        house.broker.calls.clear()
        terms = Terms(positioned=True, since=StreamPosition(1, epoch))
        wish = Wish("kept:a", KEPT, terms, INFO)
        outcomes = await asyncio.gather(*(house.hub.subscribe(Listener(), [wish]) for _ in range(20)))
        assert house.broker.calls == ["read kept:a 1"]
        assert all([p.data for p in recovery.publications] == [b"2"] for (recovery,) in outcomes)

    async def test_what_is_published_during_the_read_is_handed_over_once(self, house: House) -> None:
        await house.publish("kept:a", "1", "2")
        epoch = (await house.hub.history("kept:a")).top.epoch
        listener = Listener()
        wish = Wish("kept:a", KEPT, Terms(positioned=True, since=StreamPosition(1, epoch)), INFO)
        subscribing = asyncio.create_task(house.hub.subscribe(listener, [wish]))
        while "read kept:a 1" not in house.broker.calls:
            await asyncio.sleep(0)
        await house.publish("kept:a", "3")
        assert not subscribing.done()
        (recovery,) = await subscribing
        await house.publish("kept:a", "4")
        assert [p.data for p in recovery.publications] == [b"2", b"3"]
        assert listener.heard == ["4"]

    async def test_all_or_none(self, house: House) -> None:
        """A broker that goes away in the middle leaves no subscription, no presence and no channel behind."""
        wishes = [Wish("seen:a", SEEN, Terms(), INFO), Wish("kept:a", KEPT, POSITIONED, INFO)]
        await house.hub.subscribe(Listener(), [Wish("seen:b", SEEN, Terms(), INFO)])
        house.broker.fails_reads = BrokerUnavailable()
        with pytest.raises(BrokerUnavailable):
            await house.hub.subscribe(Listener(), wishes)
        house.broker.fails_reads = None
        await asyncio.sleep(0)
        assert house.hub.channels() == {"seen:b": 1}
        assert await house.hub.presence("seen:a") == {}
        listener = await house.subscribe("seen:a", Terms())
        await house.publish("seen:a", "hello")
        assert "hello" in listener.heard

    async def test_a_cancelled_subscription_leaves_nothing_behind(self, house: House) -> None:
        task = asyncio.create_task(house.subscribe("kept:a"))
        while not house.broker.calls:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert house.hub.channels() == {}

    async def test_an_unknown_namespace(self, house: House) -> None:
        with pytest.raises(UnknownChannel):
            await house.publish("nowhere:a", "hello")


class TestPresence:
    async def test_join_follows_the_subscription_and_leave_the_end(self, house: House) -> None:
        watcher = await house.subscribe("seen:a", Terms(join_leave=True), ClientInfo("41", "c0"))
        guest = await house.subscribe("seen:a", Terms(), INFO)
        assert sorted(await house.hub.presence("seen:a")) == ["c0", "c1"]
        house.hub.unsubscribe(guest, "seen:a", SEEN, INFO)
        while "leave c1" not in watcher.heard:
            await asyncio.sleep(0)
        assert watcher.heard == ["join c0", "join c1", "leave c1"]
        assert await house.hub.presence_stats("seen:a") == (1, 1)
        assert guest.heard == []

    async def test_a_lease_that_is_renewed_lasts(self, house: House) -> None:
        await house.subscribe("seen:a", Terms())
        for _ in range(5):
            house.clock.advance(20)
            await house.hub.renew_presence()
        assert list(await house.hub.presence("seen:a")) == ["c1"]
        house.clock.advance(31)
        assert await house.hub.presence("seen:a") == {}

    async def test_who_comes_back_at_once_is_present(self, house: House) -> None:
        """The lease that is on its way back does not take the new one with it."""
        listener = await house.subscribe("seen:a", Terms())
        house.broker.slow_leave = asyncio.Event()
        house.hub.unsubscribe(listener, "seen:a", SEEN, INFO)
        returning = asyncio.create_task(house.subscribe("seen:a", Terms()))
        await asyncio.sleep(0)
        house.broker.slow_leave.set()
        await returning
        await asyncio.sleep(0)
        assert list(await house.hub.presence("seen:a")) == ["c1"]

    async def test_many_leases_are_renewed(self, house: House) -> None:
        """More than go side by side."""
        for number in range(250):
            await house.subscribe("seen:a", Terms(), ClientInfo("42", f"c{number}"))
        house.clock.advance(20)
        await house.hub.renew_presence()
        house.clock.advance(20)
        assert await house.hub.presence_stats("seen:a") == (250, 1)

    async def test_presence_must_be_on(self, house: House) -> None:
        with pytest.raises(NotAvailable):
            await house.hub.presence("news")


class TestHistory:
    async def test_what_is_kept_can_be_read(self, house: House) -> None:
        await house.publish("kept:a", "1", "2", "3")
        page = await house.hub.history("kept:a", limit=2, reverse=True)
        assert [p.data for p in page.publications] == [b"3", b"2"]

    async def test_a_position_of_another_epoch_is_refused(self, house: House) -> None:
        await house.publish("kept:a", "1")
        with pytest.raises(UnrecoverablePosition):
            await house.hub.history("kept:a", since=StreamPosition(0, "other"))

    async def test_history_must_be_on(self, house: House) -> None:
        with pytest.raises(NotAvailable):
            await house.hub.history("news")


class TestContinuity:
    async def test_a_lost_publication_is_fetched_from_history(self, house: House) -> None:
        """Nobody is disconnected, and the order holds."""
        listener = await house.subscribe("kept:a")
        await house.publish("kept:a", "1")
        house.broker.muted = True
        await house.publish("kept:a", "2", "3")
        house.broker.muted = False
        await house.publish("kept:a", "4")
        while len(listener.heard) < 4:
            await asyncio.sleep(0)
        assert listener.heard == ["1", "2", "3", "4"]
        assert house.gaps == [events.GapFound("kept:a", filled=True, missing=2)]

    async def test_a_loss_that_history_cannot_make_good_is_told(self, house: House) -> None:
        listener = await house.subscribe("kept:a")
        house.broker.muted = True
        await house.publish("kept:a", *map(str, range(20)))
        house.broker.muted = False
        await house.publish("kept:a", "end")
        while not listener.heard:
            await asyncio.sleep(0)
        assert listener.heard[0] == "lost kept:a"
        assert house.gaps == [events.GapFound("kept:a", filled=False, missing=20)]

    async def test_a_broker_that_fails_in_its_own_way_is_no_end(self, house: House) -> None:
        """The gap is told, the failure is announced, and the channel goes on."""
        listener = await house.subscribe("kept:a")
        house.broker.muted = True
        await house.publish("kept:a", "1")
        house.broker.muted = False
        house.broker.fails_reads = ValueError("not an answer")
        await house.publish("kept:a", "2", "3")
        while len(listener.heard) < 3:
            await asyncio.sleep(0)
        assert listener.heard == ["lost kept:a", "2", "3"]
        (failure,) = [fact for fact in house.facts if isinstance(fact, events.CommandFailed)]
        assert isinstance(failure.error, ValueError)

    async def test_a_silent_loss_is_found_by_comparing(self, house: House) -> None:
        listener = await house.subscribe("kept:a")
        house.broker.muted = True
        await house.publish("kept:a", "1")
        house.hub.check_positions()
        while not listener.heard:
            await asyncio.sleep(0)
        assert listener.heard == ["1"]

    async def test_a_comparison_that_failed_is_made_up_for(self, house: House) -> None:
        """Channels may be heard again before the streams can be read; nothing is said of them later on."""
        listener = await house.subscribe("kept:a")
        house.broker.muted = True
        await house.publish("kept:a", "1")
        house.broker.away = True
        house.hub.on_resumed(["kept:a"])
        await house.hub._errands.wait_idle()
        house.broker.away = False
        house.hub.on_resumed([])
        await house.hub._errands.wait_idle()
        assert listener.heard == ["1"]

    async def test_positions_that_nobody_relies_on_are_not_compared(self, house: House) -> None:
        await house.subscribe("kept:a", Terms())
        house.broker.calls.clear()
        house.hub.check_positions()
        await asyncio.sleep(0)
        assert house.broker.calls == []

    async def test_one_caller_that_is_cancelled_leaves_the_read_to_the_others(self, house: House) -> None:
        await house.subscribe("kept:a")
        await house.publish("kept:a", "1", "2")
        epoch = (await house.hub.history("kept:a")).top.epoch
        house.broker.calls.clear()
        wish = Wish("kept:a", KEPT, Terms(positioned=True, since=StreamPosition(1, epoch)), INFO)
        one, two = (asyncio.create_task(house.hub.subscribe(Listener(), [wish])) for _ in range(2))
        while not house.broker.calls:
            await asyncio.sleep(0)
        one.cancel()
        (recovery,) = await two
        assert [p.data for p in recovery.publications] == [b"2"]


class TestWatch:
    async def test_a_failure_is_no_end(self, house: House) -> None:
        """It is announced, unless the broker is merely away, and the next time comes."""
        done: list[str] = []

        async def work() -> None:
            done.append("again")
            if len(done) == 1:
                raise BrokerUnavailable
            if len(done) == 2:
                raise ValueError("x")

        repeating = asyncio.create_task(house.hub._repeat(0.0, work))
        while len(done) < 4:
            await asyncio.sleep(0)
        repeating.cancel()
        await asyncio.wait([repeating])
        (failure,) = house.facts
        assert isinstance(failure, events.CommandFailed)
        assert str(failure.error) == "x"

    async def test_the_lease_outlasts_its_end(self) -> None:
        """A hub that is watched renews three times in a lease."""
        house = House(lease=0.03)
        await house.hub.start()
        watching = asyncio.create_task(house.hub.watch())
        await house.subscribe("seen:a", Terms())
        while house.broker.entered < 4:
            await asyncio.sleep(0)
        watching.cancel()
        await asyncio.wait([watching])
        await house.hub.stop()
