"""The channels of one node: who listens to what here, and everything that is asked of the broker for them.

Publications come from the broker as `on_publication` and go to the channel's topic, which decides; what the topic
cannot decide without the broker (a gap) is asked here and answered later. Nothing in here knows about connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from tidings import events, traces
from tidings.brokers.base import NO_GUARD, Accepted, Broker, Guard, Page, Retention
from tidings.channels.errands import Errands
from tidings.channels.history import History
from tidings.channels.namespaces import Namespaces
from tidings.channels.options import ChannelOptions, RecoveryMode
from tidings.channels.presence import Presence
from tidings.channels.recovery import Recovery
from tidings.channels.subscriptions import BrokerSubscriptions
from tidings.channels.topic import Audience, Fill, S, Terms, Topic
from tidings.clock import Clock
from tidings.errors import BrokerUnavailable, InternalError, NotAvailable, UnrecoverablePosition
from tidings.hooks import Hooks
from tidings.model import ClientInfo, Publication, StreamPosition

T = TypeVar("T")

POSITION_CHECK_INTERVAL = 40.0
"""Seconds between two comparisons of the positions here with the streams; finds a loss that no publication reveals."""

READ_ATTEMPTS = 3
"""How often a stream is read for one subscription, when it keeps changing faster than it is read."""


class Wish(Struct, frozen=True):
    """A subscription that somebody is allowed to have. `options` are the channel's, overrides included."""

    channel: str
    options: ChannelOptions
    terms: Terms
    info: ClientInfo


class Hub(Generic[S]):
    """Subscribes, publishes and reads, for everybody on this node.

    `audience` makes the local side of a channel. `recovery_limit` is how many publications a recovery may hand over;
    a client that missed more is told that it is not recovered. `lease` is how long presence outlives a dead node.
    `on_message` gets what other nodes send to this one, which is none of the hub's business; `on_resumed` hears that
    the broker is back.
    """

    def __init__(
        self,
        broker: Broker,
        namespaces: Namespaces,
        audience: Callable[[str, ChannelOptions], Audience[S]],
        *,
        clock: Clock,
        hooks: Hooks,
        recovery_limit: int = 300,
        lease: float = 30.0,
        on_message: Callable[[bytes], None] = lambda message: None,
        on_resumed: Callable[[], None] = lambda: None,
    ) -> None:
        self.namespaces = namespaces
        self._broker = broker
        self._audience = audience
        self._clock = clock
        self._hooks = hooks
        self._recovery_limit = recovery_limit
        self._lease = lease
        self._on_message = on_message
        self._on_resumed = on_resumed
        self._interrupted = False
        self._uncompared: set[str] = set()
        """Channels whose streams could not be read when they should have been compared."""
        self._topics: dict[str, Topic[S]] = {}
        self._errands = Errands()
        self._subscriptions = BrokerSubscriptions(broker)
        self._history = History(broker)
        self._presence = Presence(broker, self._errands, lease)

    # Life.

    async def start(self) -> None:
        await self._broker.start(self)

    async def stop(self) -> None:
        """Finish what was begun, then let the broker go."""
        await self._errands.wait_idle()
        await self._subscriptions.wait_idle()
        await self._broker.stop()

    async def reach(self) -> None:
        """Make sure that the broker answers. Raises `BrokerUnavailable`."""
        await self._broker.reach()

    async def watch(self) -> None:
        """Renew presence three times in a lease, and compare positions, for ever. Cancel it to stop."""
        async with asyncio.TaskGroup() as watches:
            renewing = self._repeat(self._lease / 3, self.renew_presence)
            comparing = self._repeat(POSITION_CHECK_INTERVAL, self._check_positions)
            watches.create_task(renewing, name="watch over presence")
            watches.create_task(comparing, name="watch over positions")

    async def renew_presence(self) -> None:
        """Extend the lease of everybody who is present through this node. Raises `BrokerUnavailable`."""
        await self._presence.renew()

    def check_positions(self) -> None:
        """Compare the position of every channel that somebody relies on with its stream, and fill what is missing."""
        for topic in list(self._topics.values()):
            if topic.positioned:
                self._errands.add(topic.channel, partial(self._compare, topic))

    # Subscribing.

    async def subscribe(self, subscriber: S, wishes: Sequence[Wish]) -> list[Recovery]:
        """Subscribe to channels, all or none, and say from which positions on.

        Publications may arrive as soon as control returns to the loop. So the caller writes its replies before it
        waits for anything: then no publication overtakes the reply that announces it.

        Raises `BrokerUnavailable`. When this raises or is cancelled, nothing is subscribed.
        """
        for wish in wishes:
            self.namespaces.options(wish.channel)  # before anything is opened, because it may raise
        topics = [self._open(wish.channel) for wish in wishes]
        try:
            for topic in topics:
                await self._subscriptions.wait_for(topic.channel)
            await _all(self._presence.enter(wish.channel, wish.options, wish.info) for wish in wishes)
            pages = await self._read_fresh(topics, wishes)
        except BaseException:
            for topic, wish in zip(topics, wishes, strict=True):
                topic.abandon()
                self._presence.leave(wish.channel, wish.info)
                self._drop_if_idle(topic)
            raise
        recoveries = []
        for topic, wish, page in zip(topics, wishes, pages, strict=True):
            recoveries.append(topic.settle(subscriber, wish.terms, page))
            if wish.options.join_leave:
                self._presence.tell_join(wish.channel, wish.info)
        return recoveries

    def unsubscribe(self, subscriber: S, channel: str, options: ChannelOptions, info: ClientInfo) -> None:
        """Stop handing a channel to a subscriber, at once. Presence and leave follow by themselves."""
        topic = self._topics[channel]
        topic.discard(subscriber)
        self._presence.leave(channel, info)
        if options.join_leave:
            self._presence.tell_leave(channel, info)
        self._drop_if_idle(topic)

    def channels(self) -> dict[str, int]:
        """The channels with subscribers on this node, and how many each has."""
        return {channel: topic.subscribers for channel, topic in self._topics.items() if topic.subscribers}

    # Publishing and reading.

    async def publish(
        self, channel: str, publication: Publication, *, guard: Guard = NO_GUARD, skip_history: bool = False
    ) -> Accepted:
        """Hand a publication to the broker; it has it when this returns.

        Raises `UnknownChannel` and `BrokerUnavailable`.
        """
        options = self.namespaces.options(channel)
        retention = None if skip_history else options.retention
        began = self._clock.now()
        span = traces.current()
        if span is None or not span.is_recorded:
            accepted = await self._hand_over(channel, publication, retention, guard)
        else:
            with span.child("publish", traces.Kind.PRODUCER, traces.about(channel, len(publication.data))) as sending:
                traced = replace(publication, trace=sending.trace.text())
                accepted = await self._hand_over(channel, traced, retention, guard)
        if accepted.fresh:
            self._hooks.announce(events.Published(channel, len(publication.data), self._clock.now() - began))
        return accepted

    def _hand_over(
        self, channel: str, publication: Publication, retention: Retention | None, guard: Guard
    ) -> Awaitable[Accepted]:
        if retention is None:
            return self._broker.publish(channel, publication, guard=guard)
        return self._history.append(channel, publication, retention, guard)

    async def history(
        self, channel: str, *, since: StreamPosition | None = None, limit: int | None = None, reverse: bool = False
    ) -> Page:
        """Read what is retained; see `KeepsHistory.read`.

        Raises `NotAvailable` in a channel without history, `UnrecoverablePosition` when `since` is of another epoch.
        """
        offset = since.offset if since else None
        page = await self._history.read(channel, self._retention(channel), since=offset, limit=limit, reverse=reverse)
        if since is not None and since.epoch not in ("", page.top.epoch):
            raise UnrecoverablePosition
        return page

    async def remove_history(self, channel: str) -> None:
        """Forget what is retained. Raises `NotAvailable` in a channel without history."""
        self._retention(channel)
        await self._history.remove(channel)

    async def presence(self, channel: str) -> Mapping[str, ClientInfo]:
        """Everybody in the channel, by client id. Raises `NotAvailable` where presence is off."""
        self._require_presence(channel)
        return await self._presence.present(channel)

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        """How many clients and users are in the channel. Raises `NotAvailable` where presence is off."""
        self._require_presence(channel)
        return await self._presence.count(channel)

    # What the broker says (`Receiver`).

    def on_publication(self, channel: str, publication: Publication, epoch: str) -> None:
        if (topic := self._topics.get(channel)) is not None:
            self._fill(topic, topic.receive(publication, epoch))

    def on_join(self, channel: str, info: ClientInfo) -> None:
        if (topic := self._topics.get(channel)) is not None:
            topic.audience.join(info)

    def on_leave(self, channel: str, info: ClientInfo) -> None:
        if (topic := self._topics.get(channel)) is not None:
            topic.audience.leave(info)

    def on_resumed(self, channels: Collection[str]) -> None:
        # Messages may be heard again long before streams can be read; the comparison is then made up for.
        due = self._uncompared.union(channels)
        self._uncompared.clear()
        for channel in due:
            if (topic := self._topics.get(channel)) is not None and topic.position is not None:
                self._errands.add(channel, partial(self._compare, topic))
        self._on_resumed()
        if self._interrupted:
            self._interrupted = False
            self._hooks.announce(events.BrokerResumed())

    def on_interrupted(self, reason: str) -> None:
        if not self._interrupted:
            self._interrupted = True
            self._hooks.announce(events.BrokerLost(reason))

    def on_message(self, message: bytes) -> None:
        self._on_message(message)

    # Private steps: opening a channel here.

    def _open(self, channel: str) -> Topic[S]:
        topic = self._topics.get(channel)
        if topic is None:
            options = self.namespaces.options(channel)
            topic = self._topics[channel] = Topic(channel, options, self._audience(channel, options))
            self._subscriptions.want(channel)
        topic.open()
        return topic

    def _drop_if_idle(self, topic: Topic[S]) -> None:
        if topic.is_idle and self._topics.get(topic.channel) is topic:
            del self._topics[topic.channel]
            self._subscriptions.unwant(topic.channel)

    async def _read_fresh(self, topics: Sequence[Topic[S]], wishes: Sequence[Wish]) -> list[Page | None]:
        """Read the streams, again if need be, until all pages fit what has arrived meanwhile."""
        for _ in range(READ_ATTEMPTS):
            followed = [topic.epoch for topic in topics]
            pages = await _all(self._read(topic, wish.terms) for topic, wish in zip(topics, wishes, strict=True))
            # No waiting from here to the settling: what is accepted now is still right then.
            read = zip(topics, pages, followed, strict=True)
            if all(page is None or topic.accepts(page, epoch) for topic, page, epoch in read):
                return pages
        raise InternalError("the channel's stream changes faster than it can be read")

    async def _read(self, topic: Topic[S], terms: Terms) -> Page | None:
        retention = topic.options.retention
        if retention is None:
            return None
        if (known := topic.shortcut(terms.since)) is not None:
            return known
        if terms.since is None:
            return await self._history.read_shared(topic.channel, retention, topic.epoch, limit=0)
        if terms.mode is RecoveryMode.CACHE:
            return await self._history.read_shared(topic.channel, retention, topic.epoch, limit=1, reverse=True)
        return await self._history.read_shared(
            topic.channel, retention, topic.epoch, since=terms.since.offset, limit=self._recovery_limit
        )

    # Private steps: keeping up with the stream.

    def _fill(self, topic: Topic[S], fill: Fill | None) -> None:
        if fill is not None:
            self._errands.add(topic.channel, partial(self._fill_gap, topic, fill))

    async def _fill_gap(self, topic: Topic[S], fill: Fill) -> None:
        page = await self._read_or_none(topic, since=fill.since)
        filled, missing = page is not None and topic.closes(page), topic.missing(page)
        following = topic.filled(page)
        self._hooks.announce(events.GapFound(topic.channel, filled, missing))
        self._fill(topic, following)

    async def _check_positions(self) -> None:
        self.check_positions()

    async def _compare(self, topic: Topic[S]) -> None:
        followed = topic.epoch
        page = await self._read_or_none(topic, limit=0)
        if page is None:
            self._uncompared.add(topic.channel)
        else:
            self._fill(topic, topic.compare(page.top, followed))

    async def _read_or_none(
        self, topic: Topic[S], *, since: int | None = None, limit: int | None = None
    ) -> Page | None:
        """Read a stream for nobody in particular. That it failed is all that the topic has to know."""
        try:
            return await self._history.read(topic.channel, self._retention(topic.channel), since=since, limit=limit)
        except BrokerUnavailable:
            return None
        except Exception as error:
            self._hooks.announce(events.CommandFailed("read", "", error))
            return None

    async def _repeat(self, interval: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something again and again. A failure is announced, and the next time comes all the same."""
        while True:
            await asyncio.sleep(interval)
            try:
                await work()
            except BrokerUnavailable:
                continue
            except Exception as error:
                self._hooks.announce(events.CommandFailed(work.__name__, "", error))

    # Private steps: what a channel must have.

    def _retention(self, channel: str) -> Retention:
        retention = self.namespaces.options(channel).retention
        if retention is None:
            raise NotAvailable
        return retention

    def _require_presence(self, channel: str) -> None:
        if not self.namespaces.options(channel).presence:
            raise NotAvailable


async def _all(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Wait for all calls, even when one fails; then raise the first failure. One call costs no task."""
    coroutines = list(calls)
    if len(coroutines) == 1:
        return [await coroutines[0]]
    outcomes = await asyncio.gather(*coroutines, return_exceptions=True)
    results = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        results.append(outcome)
    return results
