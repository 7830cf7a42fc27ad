"""The contracts judge rightly: for every promise there is a broker that breaks it, and the promise's test notices.

Each broken broker is a `MemoryBroker` that does one thing wrong. `@breaks` names the tests that have to fail on it.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from tidings.brokers.base import NO_GUARD, Accepted, Page
from tidings.brokers.memory import MemoryBackend, MemoryBroker
from tidings.brokers.memory.expiring import Expiring
from tidings.clock import ManualClock
from tidings.model import ClientInfo, StreamPosition
from tidings.testing.contracts import (
    Backend,
    BrokerContract,
    ConnectionsContract,
    Contract,
    HistoryContract,
    KeptRepetitionContract,
    Node,
    NodesContract,
    PresenceContract,
    RepetitionContract,
    SubscriptionsContract,
)

pytestmark = pytest.mark.shell

CONTRACTS = (
    BrokerContract,
    RepetitionContract,
    HistoryContract,
    KeptRepetitionContract,
    PresenceContract,
    NodesContract,
    ConnectionsContract,
    SubscriptionsContract,
)
PATIENCE = 0.02

Promise = Callable[..., Awaitable[None]]
VIOLATIONS: list[tuple[Promise, type[MemoryBroker]]] = []


def breaks(*promises: Promise) -> Callable[[type[MemoryBroker]], type[MemoryBroker]]:
    """Note that a broker breaks these promises."""

    def note(broker: type[MemoryBroker]) -> type[MemoryBroker]:
        VIOLATIONS.extend((promise, broker) for promise in promises)
        return broker

    return note


def promises_of(contract: type[Contract]) -> list[Promise]:
    return [member for name, member in inspect.getmembers(contract) if name.startswith("test_")]


async def judge(promise: Promise, broker: type[MemoryBroker]) -> None:
    """Run one test of a contract as pytest would, against nodes of `broker`."""
    contract = Contract()
    contract.patience = PATIENCE
    for arguments in parametrised(promise):
        backend = backend_of(broker)
        async with Node(backend.connect(), PATIENCE) as node, Node(backend.connect(), PATIENCE) as other:
            fixtures = {"backend": backend, "node": node, "other": other, "channel": "news", **arguments}
            wanted = [name for name in inspect.signature(promise).parameters if name != "self"]
            await promise(contract, **{name: fixtures[name] for name in wanted})


def backend_of(broker: type[MemoryBroker]) -> Backend:
    clock, memory = ManualClock(), MemoryBackend()

    async def advance(seconds: float) -> None:
        clock.advance(seconds)

    return Backend(lambda: broker(clock, memory), advance)


def parametrised(promise: Promise) -> Iterator[dict[str, Any]]:
    """The arguments of each run of a test, by its mark `parametrize` with one name, if it has one."""
    marks = getattr(promise, "pytestmark", [])
    if not marks:
        yield {}
    for mark in marks:
        name, values = mark.args
        yield from ({name: value} for value in values)


class Altered(MemoryBroker):
    """A broker whose every step can be done otherwise: what it takes, what it answers, what it tells its node."""

    def place(self, channel):
        return channel

    def take(self, publication):
        return publication

    def mind(self, guard):
        return guard

    def retain(self, retention):
        return retention

    def answer(self, accepted):
        return accepted

    def turn(self, page):
        return page

    async def start(self, receiver):
        self.node = receiver
        await super().start(self)

    async def publish(self, channel, publication, *, guard=NO_GUARD):
        accepted = await super().publish(self.place(channel), self.take(publication), guard=self.mind(guard))
        return self.answer(accepted)

    async def append(self, channel, publication, retention, *, guard=NO_GUARD):
        publication, retention, guard = self.take(publication), self.retain(retention), self.mind(guard)
        return self.answer(await super().append(self.place(channel), publication, retention, guard=guard))

    async def read(self, channel, retention, **selection):
        return self.turn(await super().read(self.place(channel), self.retain(retention), **selection))

    def on_publication(self, channel, publication, epoch):
        self.node.on_publication(channel, publication, epoch)

    def on_join(self, channel, info):
        self.node.on_join(channel, info)

    def on_leave(self, channel, info):
        self.node.on_leave(channel, info)

    def on_resumed(self, channels):
        self.node.on_resumed(channels)

    def on_interrupted(self, reason):
        self.node.on_interrupted(reason)

    def on_message(self, message):
        self.node.on_message(message)


# Who hears.


@breaks(
    BrokerContract.test_every_subscribed_node_hears_each_publication_once,
    BrokerContract.test_joins_and_leaves_reach_every_subscribed_node,
    HistoryContract.test_what_is_appended_reaches_every_subscribed_node,
    HistoryContract.test_a_stream_outlives_the_node_that_wrote_it,
    PresenceContract.test_who_entered_is_present,
    NodesContract.test_who_joined_is_known,
    ConnectionsContract.test_a_users_connections_are_known_everywhere,
    ConnectionsContract.test_a_limit_holds_across_nodes,
    SubscriptionsContract.test_what_is_kept_is_known_everywhere,
)
class KeepsToItself(MemoryBroker):
    """Has a backend of its own on every node."""

    def __init__(self, clock, _):
        super().__init__(clock)


@breaks(
    BrokerContract.test_every_subscribed_node_hears_each_publication_once,
    HistoryContract.test_what_is_appended_reaches_every_subscribed_node,
)
class SaysItTwice(Altered):
    def on_publication(self, channel, publication, epoch):
        super().on_publication(channel, publication, epoch)
        super().on_publication(channel, publication, epoch)


@breaks(BrokerContract.test_nothing_is_missed_after_subscribe_returned)
class SubscribesToTen(MemoryBroker):
    async def subscribe(self, channel):
        if len(self._channels) < 10:
            await super().subscribe(channel)


@breaks(
    BrokerContract.test_other_channels_are_not_heard,
    BrokerContract.test_joins_and_leaves_of_other_channels_are_not_seen,
)
class HearsWhatItSays(MemoryBroker):
    """Subscribes to every channel that it publishes to."""

    async def publish(self, channel, publication, *, guard=NO_GUARD):
        await self.subscribe(channel)
        return await super().publish(channel, publication, guard=guard)

    async def publish_join(self, channel, info):
        await self.subscribe(channel)
        await super().publish_join(channel, info)


@breaks(BrokerContract.test_subscribing_again_is_harmless)
class SubscribesTwice(MemoryBroker):
    async def subscribe(self, channel):
        self._channels.discard(channel)
        await super().subscribe(channel)


@breaks(
    BrokerContract.test_nothing_is_heard_between_unsubscribing_and_subscribing,
    BrokerContract.test_unsubscribing_again_is_harmless,
)
class CountsSubscriptions(MemoryBroker):
    """Wants as many unsubscribes as there were subscribes, and the other way round."""

    def __init__(self, clock, backend):
        super().__init__(clock, backend)
        self.wanted = Counter()

    async def subscribe(self, channel):
        self.wanted[channel] += 1
        if self.wanted[channel] == 1:
            await super().subscribe(channel)

    async def unsubscribe(self, channel):
        self.wanted[channel] -= 1
        if self.wanted[channel] == 0:
            await super().unsubscribe(channel)


@breaks(BrokerContract.test_unsubscribing_concerns_the_own_node_only)
class UnsubscribesEverybody(MemoryBroker):
    async def unsubscribe(self, channel):
        self._channels.discard(channel)
        self._backend._receivers[channel] = ()


@breaks(BrokerContract.test_the_receiver_is_called_in_the_event_loop)
class CallsFromAThread(MemoryBroker):
    async def publish_join(self, channel, info):
        await asyncio.to_thread(self._backend.tell, channel, lambda receiver: receiver.on_join(channel, info))


# In which order.


@breaks(
    BrokerContract.test_one_nodes_publications_arrive_in_its_order,
    BrokerContract.test_each_node_keeps_its_order_beside_others,
    HistoryContract.test_appends_at_once_are_heard_in_the_order_of_their_offsets,
)
class SwapsPairs(Altered):
    held = None

    def on_publication(self, channel, publication, epoch):
        if self.held is None:
            self.held = publication
            return
        super().on_publication(channel, publication, epoch)
        super().on_publication(channel, self.held, epoch)
        self.held = None


@breaks(BrokerContract.test_joins_and_leaves_keep_their_place_among_publications)
class LetsJoinsOvertake(Altered):
    def on_publication(self, *told):
        asyncio.get_running_loop().call_soon(self.node.on_publication, *told)


# What arrives.


@breaks(
    BrokerContract.test_a_publication_arrives_as_it_was_sent, HistoryContract.test_a_publication_is_kept_as_it_was_sent
)
class TakesBytesForText(Altered):
    def take(self, publication):
        return replace(publication, data=publication.data.decode(errors="replace").encode())


@breaks(
    BrokerContract.test_a_publication_arrives_as_it_was_sent, HistoryContract.test_a_publication_is_kept_as_it_was_sent
)
class DropsTags(Altered):
    def take(self, publication):
        return replace(publication, tags={})


@breaks(
    BrokerContract.test_a_trace_arrives_with_its_publication, HistoryContract.test_a_trace_arrives_with_what_is_kept
)
class DropsTraces(Altered):
    def take(self, publication):
        return replace(publication, trace="")


@breaks(
    BrokerContract.test_a_publication_without_extras_arrives_without,
    HistoryContract.test_a_publication_is_kept_as_it_was_sent,
)
class MakesUpAPublisher(Altered):
    def take(self, publication):
        return replace(publication, info=publication.info or ClientInfo("", ""))


@breaks(BrokerContract.test_the_backend_sets_the_time, HistoryContract.test_the_backend_sets_the_time_of_what_is_kept)
class CountsMilliseconds(MemoryBroker):
    def _turn(self):
        return super()._turn() * 1000


@breaks(BrokerContract.test_the_backend_sets_the_time)
class GivesEachNodeItsTime(Altered):
    nodes = itertools.count()

    async def start(self, receiver):
        await super().start(receiver)
        self.late = next(self.nodes)

    def on_publication(self, channel, publication, epoch):
        super().on_publication(channel, replace(publication, time=publication.time + self.late), epoch)


@breaks(BrokerContract.test_what_is_not_kept_has_no_position)
class NumbersEverything(Altered):
    def on_publication(self, channel, publication, epoch):
        super().on_publication(channel, replace(publication, offset=publication.offset or 1), epoch)


# What a guard holds back.


@breaks(
    RepetitionContract.test_a_repeated_idempotency_key_is_not_published,
    KeptRepetitionContract.test_a_repeated_idempotency_key_is_not_appended,
    HistoryContract.test_a_version_must_be_above_the_last,
)
class IgnoresGuards(Altered):
    def mind(self, guard):
        return NO_GUARD


@breaks(
    RepetitionContract.test_a_repeated_idempotency_key_is_not_published,
    KeptRepetitionContract.test_a_repeated_idempotency_key_is_not_appended,
)
class RemembersKeysPerNode(Altered):
    def mind(self, guard):
        return replace(guard, idempotency_key=f"{id(self)}{guard.idempotency_key}") if guard.idempotency_key else guard


@breaks(
    RepetitionContract.test_calls_at_once_with_one_key_publish_once,
    KeptRepetitionContract.test_appends_at_once_with_one_key_append_once,
)
class ChecksThenActs(MemoryBroker):
    """Looks a key up, waits, and then publishes unguarded."""

    async def publish(self, channel, publication, *, guard=NO_GUARD):
        known = self._backend._results.get((channel, guard.idempotency_key), 0.0)
        await asyncio.sleep(0)
        accepted = known or await super().publish(channel, publication)
        self._backend._remember(channel, guard, accepted, 0.0)
        return accepted

    async def append(self, channel, publication, retention, *, guard=NO_GUARD):
        known = self._backend._results.get((channel, guard.idempotency_key), 0.0)
        await asyncio.sleep(0)
        accepted = known or await super().append(channel, publication, retention)
        self._backend._remember(channel, guard, accepted, 0.0)
        return accepted


@breaks(
    RepetitionContract.test_a_key_concerns_its_channel_only,
    KeptRepetitionContract.test_a_key_for_appending_concerns_its_channel_only,
)
class SharesKeysAmongChannels(MemoryBroker):
    async def publish(self, channel, publication, *, guard=NO_GUARD):
        shared = await super().publish("every channel", publication, guard=guard)
        return await super().publish(channel, publication) if shared.fresh else shared

    async def append(self, channel, publication, retention, *, guard=NO_GUARD):
        shared = await super().publish("every channel", publication, guard=guard)
        return await super().append(channel, publication, retention) if shared.fresh else shared


@breaks(
    BrokerContract.test_nothing_is_held_without_a_guard, HistoryContract.test_everything_is_appended_without_a_guard
)
class HoldsEqualPayloads(MemoryBroker):
    async def publish(self, channel, publication, *, guard=NO_GUARD):
        return await super().publish(channel, publication, guard=replace(guard, idempotency_key=str(publication.data)))

    async def append(self, channel, publication, retention, *, guard=NO_GUARD):
        guard = replace(guard, idempotency_key=str(publication.data))
        return await super().append(channel, publication, retention, guard=guard)


@breaks(
    RepetitionContract.test_a_key_is_recognised_for_its_time,
    KeptRepetitionContract.test_a_key_for_appending_is_recognised_for_its_time,
    HistoryContract.test_publications_expire_after_the_newest,
    HistoryContract.test_an_unused_stream_ends,
    PresenceContract.test_a_lease_runs_out,
    PresenceContract.test_a_stopped_nodes_clients_stay_for_their_lease,
)
class LivesInTheMoment(MemoryBroker):
    """Nothing ever expires, because no time passes."""

    def __init__(self, clock, backend):
        super().__init__(ManualClock(), backend)


@breaks(
    RepetitionContract.test_a_key_is_recognised_for_its_time,
    KeptRepetitionContract.test_a_key_for_appending_is_recognised_for_its_time,
    HistoryContract.test_publications_expire_after_the_newest,
    HistoryContract.test_a_stream_in_use_goes_on,
    PresenceContract.test_a_lease_runs_out,
    PresenceContract.test_entering_again_renews_the_lease,
)
class LivesTooFast(MemoryBroker):
    """Everything expires early, because time passes three times as fast."""

    def _turn(self):
        return 1e9 + 3 * (super()._turn() - 1e9)


@breaks(KeptRepetitionContract.test_a_repeated_idempotency_key_is_not_appended)
class AnswersRepetitionsWithTheTop(MemoryBroker):
    async def append(self, channel, publication, retention, *, guard=NO_GUARD):
        accepted = await super().append(channel, publication, retention, guard=guard)
        page = await self.read(channel, retention, limit=0)
        return Accepted(page.top, accepted.fresh)


@breaks(KeptRepetitionContract.test_a_key_is_recognised_however_it_was_published)
class SeparatesKeys(MemoryBroker):
    async def append(self, channel, publication, retention, *, guard=NO_GUARD):
        guard = replace(guard, idempotency_key=f"append {guard.idempotency_key}")
        return await super().append(channel, publication, retention, guard=guard)


@breaks(BrokerContract.test_versions_are_not_looked_at_without_a_stream)
class LooksAtVersions(MemoryBroker):
    newest = 0

    async def publish(self, channel, publication, *, guard=NO_GUARD):
        if 0 < guard.version <= self.newest:
            return Accepted(fresh=False)
        self.newest = guard.version
        return await super().publish(channel, publication, guard=guard)


@breaks(HistoryContract.test_a_version_must_be_above_the_last)
class AcceptsEqualVersions(Altered):
    """Takes each version for a later one than any equal to it."""

    calls = itertools.count()

    def mind(self, guard):
        return replace(guard, version=guard.version * 1000 + next(self.calls))


@breaks(HistoryContract.test_zero_is_no_version)
class TakesZeroForAVersion(Altered):
    def mind(self, guard):
        return replace(guard, version=guard.version + 1)


@breaks(HistoryContract.test_zero_is_no_version)
class ForgetsTheVersionAtZero(MemoryBroker):
    async def append(self, channel, publication, retention, *, guard=NO_GUARD):
        accepted = await super().append(channel, publication, retention, guard=guard)
        self._backend._streams.get(channel, 0.0).version = guard.version
        return accepted


@breaks(HistoryContract.test_another_version_epoch_starts_over)
class ComparesVersionsOfAllEpochs(Altered):
    def mind(self, guard):
        return replace(guard, version_epoch="")


@breaks(
    HistoryContract.test_every_channel_has_a_stream_of_its_own, HistoryContract.test_a_version_concerns_its_channel_only
)
class HasOneStream(Altered):
    def place(self, channel):
        return "every channel"


# Positions.


@breaks(HistoryContract.test_offsets_count_from_one)
class CountsFromZero(Altered):
    def answer(self, accepted):
        return Accepted(StreamPosition(accepted.position.offset - 1, accepted.position.epoch), accepted.fresh)


@breaks(HistoryContract.test_offsets_count_from_one)
class DeliversWithoutEpoch(Altered):
    def on_publication(self, channel, publication, epoch):
        super().on_publication(channel, publication, "")


@breaks(HistoryContract.test_a_page_ends_where_the_stream_ended)
class ReadsInTwoSteps(MemoryBroker):
    async def read(self, channel, retention, **selection):
        page = await super().read(channel, retention, **selection)
        await asyncio.sleep(0)
        return Page(page.publications, (await super().read(channel, retention, limit=0)).top)


@breaks(HistoryContract.test_a_cancelled_append_happens_wholly_or_not_at_all)
class TellsAfterwards(Altered):
    """Keeps a publication, waits, and only then delivers it."""

    def on_publication(self, *told):
        self.untold = told

    async def append(self, channel, publication, retention, *, guard=NO_GUARD):
        accepted = await super().append(channel, publication, retention, guard=guard)
        untold = self.untold
        await asyncio.sleep(0)
        self.node.on_publication(*untold)
        return accepted


@breaks(HistoryContract.test_a_stream_begins_with_its_first_use)
class HasNoEpochWhileEmpty(Altered):
    def turn(self, page):
        return page if page.top.offset else Page((), StreamPosition())


@breaks(HistoryContract.test_a_stream_begins_with_its_first_use)
class BeginsWithTheFirstAppend(MemoryBroker):
    """Makes up a new epoch for every read of an empty stream."""

    async def read(self, channel, retention, **selection):
        page = await super().read(channel, retention, **selection)
        if not page.top.offset:
            self._backend._streams.remove(channel)
        return page


@breaks(HistoryContract.test_what_is_published_without_keeping_leaves_the_stream_alone)
class KeepsEverything(MemoryBroker):
    async def publish(self, channel, publication, *, guard=NO_GUARD):
        stream = self._backend._streams.get(channel, 0.0)
        stream.offset += 1
        return await super().publish(channel, publication, guard=guard)


# What is kept.


@breaks(HistoryContract.test_only_the_newest_are_kept, HistoryContract.test_a_read_selects_by_offset)
class NeverTrims(Altered):
    def retain(self, retention):
        return replace(retention, size=1000)


@breaks(HistoryContract.test_publications_expire_after_the_newest)
class ExpiresAfterTheOldest(MemoryBroker):
    async def read(self, channel, retention, **selection):
        page = await super().read(channel, retention, **selection)
        first = page.publications[0].time if page.publications else math.inf
        return Page((), page.top) if first + retention.ttl <= self._turn() else page


@breaks(HistoryContract.test_reading_does_not_prolong_what_is_kept)
class ProlongsByReading(MemoryBroker):
    async def read(self, channel, retention, **selection):
        now = self._turn()
        retained = self._backend._retained.get(channel, now)
        if retained:
            self._backend._retained.set(channel, retained, now + retention.ttl)
        return await super().read(channel, retention, **selection)


@breaks(HistoryContract.test_an_unused_stream_ends)
class ReusesOffsetsAfterTheEnd(Altered):
    """Counts from 1 again in an epoch of the same name."""

    def answer(self, accepted):
        return Accepted(StreamPosition(accepted.position.offset, "epoch"), accepted.fresh)


@breaks(HistoryContract.test_a_stream_in_use_goes_on)
class CountsFromTheFirstUse(Altered):
    def retain(self, retention):
        now = self._turn()
        self.end = getattr(self, "end", now + retention.meta_ttl)
        return replace(retention, meta_ttl=self.end - now)


@breaks(HistoryContract.test_removing_keeps_epoch_and_count)
class RemovesTheStreamItself(MemoryBroker):
    async def remove(self, channel):
        await super().remove(channel)
        self._backend._streams.remove(channel)


@breaks(HistoryContract.test_removing_keeps_epoch_and_count)
class RemovesNothing(MemoryBroker):
    async def remove(self, channel):
        self._turn()


@breaks(HistoryContract.test_removing_concerns_its_channel_only)
class RemovesEverything(MemoryBroker):
    async def remove(self, channel):
        self._backend._retained = Expiring()


# What a read selects.


@breaks(HistoryContract.test_a_read_selects_by_offset)
class ReadsSinceInclusively(MemoryBroker):
    async def read(self, channel, retention, *, since=None, limit=None, reverse=False):
        since = since if since is None or reverse else since - 1
        return await super().read(channel, retention, since=since, limit=limit, reverse=reverse)


@breaks(HistoryContract.test_a_read_selects_by_offset)
class ReadsSinceZeroBackwardsFromTheTop(MemoryBroker):
    async def read(self, channel, retention, *, since=None, limit=None, reverse=False):
        return await super().read(channel, retention, since=since or None, limit=limit, reverse=reverse)


@breaks(HistoryContract.test_a_read_selects_by_offset)
class TakesLimitZeroForNoLimit(MemoryBroker):
    async def read(self, channel, retention, *, since=None, limit=None, reverse=False):
        return await super().read(channel, retention, since=since, limit=limit or None, reverse=reverse)


@breaks(HistoryContract.test_a_read_selects_by_offset)
class LimitsBeforeReversing(MemoryBroker):
    async def read(self, channel, retention, *, since=None, limit=None, reverse=False):
        page = await super().read(channel, retention, since=since, limit=None, reverse=reverse)
        oldest_first = page.publications[::-1] if reverse else page.publications
        return Page(oldest_first[:limit][:: -1 if reverse else 1], page.top)


@breaks(HistoryContract.test_every_read_of_an_empty_stream_is_empty, HistoryContract.test_a_read_selects_by_offset)
class BelievesTheReader(MemoryBroker):
    """Takes the offset that a reader has seen for one that must exist."""

    async def read(self, channel, retention, *, since=None, limit=None, reverse=False):
        page = await super().read(channel, retention, since=since, limit=limit, reverse=reverse)
        return Page(page.publications, StreamPosition(max(page.top.offset, since or 0), page.top.epoch))


# Presence.


@breaks(PresenceContract.test_who_entered_is_present)
class ShowsNobodysChannelInfo(MemoryBroker):
    async def enter(self, channel, info, lease):
        await super().enter(channel, replace(info, chan_info=b""), lease)


@breaks(
    PresenceContract.test_nobody_is_in_a_channel_that_nobody_entered,
    PresenceContract.test_leaving_concerns_its_channel_only,
)
class HasOneChannel(MemoryBroker):
    async def enter(self, channel, info, lease):
        await super().enter("every channel", info, lease)

    async def leave(self, channel, client):
        await super().leave("every channel", client)

    async def present(self, channel):
        return await super().present("every channel")


@breaks(PresenceContract.test_clients_and_users_are_counted)
class TakesClientsForUsers(MemoryBroker):
    async def count(self, channel):
        clients, _ = await super().count(channel)
        return clients, clients


@breaks(PresenceContract.test_who_left_is_not_present)
class NeverLetsGo(MemoryBroker):
    async def leave(self, channel, client):
        self._turn()


@breaks(
    PresenceContract.test_who_left_is_not_present, PresenceContract.test_removing_somebody_who_is_not_there_is_harmless
)
class RemovesEverybody(MemoryBroker):
    async def leave(self, channel, client):
        for each in await self.present(channel):
            await super().leave(channel, each)


@breaks(PresenceContract.test_a_lease_runs_out)
class CountsTheDead(MemoryBroker):
    """Counts whoever has entered and not left."""

    def __init__(self, clock, backend):
        super().__init__(clock, backend)
        self.users = {}

    async def enter(self, channel, info, lease):
        self.users[info.client] = info.user
        await super().enter(channel, info, lease)

    async def count(self, channel):
        return len(self.users), len(set(self.users.values()))


@breaks(
    PresenceContract.test_entering_again_renews_the_lease, PresenceContract.test_entering_again_shows_the_newest_info
)
class EntersOnce(MemoryBroker):
    async def enter(self, channel, info, lease):
        if info.client not in await self.present(channel):
            await super().enter(channel, info, lease)


@breaks(PresenceContract.test_entering_again_renews_the_lease)
class NeverShortensALease(MemoryBroker):
    async def enter(self, channel, info, lease):
        now = self._turn()
        _, until = self._backend._leases._entries.get((channel, info.client), (None, now))
        await super().enter(channel, info, max(lease, until - now))


# Nodes.


@breaks(NodesContract.test_who_joined_is_known, NodesContract.test_joining_again_shows_the_new_card)
class ShowsNoCards(MemoryBroker):
    async def nodes(self):
        return dict.fromkeys(await super().nodes(), b"")


@breaks(NodesContract.test_who_joined_is_known, NodesContract.test_what_is_sent_to_all_reaches_all)
class SendsTextOnly(MemoryBroker):
    """Loses the bytes that are no UTF-8."""

    async def join(self, node, card, lease):
        await super().join(node, card.decode(errors="ignore").encode(), lease)

    async def send(self, message, node=""):
        await super().send(message.decode(errors="ignore").encode(), node)


@breaks(NodesContract.test_who_quits_is_known_no_longer)
class KeepsTheCardOfWhoQuits(MemoryBroker):
    async def quit(self, node):
        self._backend.people.stop_hearing(node, self._started())


@breaks(NodesContract.test_who_quits_is_known_no_longer)
class JoinsWhoQuitsTwice(MemoryBroker):
    async def quit(self, node):
        if node in await self.nodes():
            await super().quit(node)
        else:
            await self.join(node, b"", 1.0)


@breaks(NodesContract.test_joining_again_shows_the_new_card, NodesContract.test_joining_again_renews_the_lease)
class JoinsOnce(MemoryBroker):
    async def join(self, node, card, lease):
        if node not in await self.nodes():
            await super().join(node, card, lease)


@breaks(NodesContract.test_a_node_that_is_silent_is_forgotten)
class NeverForgetsANode(MemoryBroker):
    async def join(self, node, card, lease):
        await super().join(node, card, math.inf)


@breaks(NodesContract.test_a_node_that_is_silent_is_forgotten)
class ForgetsANodeEarly(MemoryBroker):
    async def join(self, node, card, lease):
        await super().join(node, card, lease / 2)


@breaks(
    NodesContract.test_what_is_sent_to_all_reaches_all, NodesContract.test_what_is_sent_to_one_reaches_only_that_one
)
class DoesNotHearItself(Altered):
    """Tells others what it sends, and not itself."""

    speaks = False

    async def send(self, message, node=""):
        self.speaks = True
        await super().send(message, node)
        self.speaks = False

    def on_message(self, message):
        if not self.speaks:
            super().on_message(message)


@breaks(NodesContract.test_what_is_sent_to_all_reaches_all)
class SpeaksInPairs(MemoryBroker):
    """Hands every second message over before the one that came before it."""

    held = None

    async def send(self, message, node=""):
        if self.held is None:
            self.held = message
            return
        await super().send(message, node)
        await super().send(self.held, node)
        self.held = None


@breaks(NodesContract.test_what_is_sent_to_one_reaches_only_that_one)
class TellsEverybody(MemoryBroker):
    async def send(self, message, node=""):
        await super().send(message)


@breaks(NodesContract.test_sending_to_nobody_is_harmless)
class WaitsForTheAddressee(MemoryBroker):
    async def send(self, message, node=""):
        async with asyncio.timeout(PATIENCE):
            while node and node not in await self.nodes():
                await asyncio.sleep(0)
        await super().send(message, node)


@breaks(NodesContract.test_who_quits_hears_nothing_more)
class HearsAfterQuitting(MemoryBroker):
    async def quit(self, node):
        self._backend.people._cards.remove(node)


@breaks(NodesContract.test_who_quits_hears_nothing_more)
class QuitsForGood(MemoryBroker):
    """Is deaf when it joins again."""

    async def quit(self, node):
        await super().quit(node)
        self._receiver = Node(self, PATIENCE)


# The connections of users.


@breaks(
    ConnectionsContract.test_a_users_connections_are_known_everywhere,
    SubscriptionsContract.test_what_is_kept_is_known_everywhere,
)
class TrimsNames(MemoryBroker):
    """Takes two users with similar names for one."""

    async def arrive(self, user, client, lease, *, limit=0):
        return await super().arrive(user.strip(":"), client, lease, limit=limit)

    async def keep(self, user, channel, terms):
        await super().keep(user.strip(":"), channel, terms)


@breaks(ConnectionsContract.test_who_departs_is_gone, ConnectionsContract.test_a_limit_holds_across_nodes)
class NeverDeparts(MemoryBroker):
    async def depart(self, user, client):
        self._turn()


@breaks(ConnectionsContract.test_who_departs_is_gone)
class LetsAnybodyDepart(MemoryBroker):
    """Takes all of a user's connections for the one that departs."""

    async def depart(self, user, client):
        for each in await self.clients(user):
            await super().depart(user, each)


@breaks(
    ConnectionsContract.test_a_limit_holds_across_nodes,
    ConnectionsContract.test_a_limit_holds_for_those_who_come_at_once,
)
class HasNoLimit(MemoryBroker):
    async def arrive(self, user, client, lease, *, limit=0):
        return await super().arrive(user, client, lease)


@breaks(ConnectionsContract.test_a_limit_holds_across_nodes)
class LimitsWhoIsCountedAlready(MemoryBroker):
    async def arrive(self, user, client, lease, *, limit=0):
        if limit and len(await self.clients(user)) >= limit:
            return False
        return await super().arrive(user, client, lease)


@breaks(ConnectionsContract.test_a_limit_holds_for_those_who_come_at_once)
class LooksBeforeItCounts(MemoryBroker):
    """Looks in one step and counts in another."""

    async def arrive(self, user, client, lease, *, limit=0):
        others = set(await self.clients(user)) - {client}
        await asyncio.sleep(0)
        return (not limit or len(others) < limit) and await super().arrive(user, client, lease)


@breaks(ConnectionsContract.test_a_connection_ends_with_its_lease)
class NeverEndsAConnection(MemoryBroker):
    async def arrive(self, user, client, lease, *, limit=0):
        return await super().arrive(user, client, math.inf, limit=limit)


@breaks(ConnectionsContract.test_a_connection_ends_with_its_lease)
class ArrivesOnce(MemoryBroker):
    async def arrive(self, user, client, lease, *, limit=0):
        return client in await self.clients(user) or await super().arrive(user, client, lease, limit=limit)


@breaks(ConnectionsContract.test_a_connection_ends_with_its_lease)
class CountsTheDeadInItsLimit(MemoryBroker):
    """Forgets who has departed only."""

    def __init__(self, clock, backend):
        super().__init__(clock, backend)
        self.counted = set()

    async def arrive(self, user, client, lease, *, limit=0):
        self.counted.add(client)
        return (not limit or len(self.counted) <= limit) and await super().arrive(user, client, lease)


@breaks(ConnectionsContract.test_what_is_shown_of_a_node_is_seen_everywhere)
class ShowsOnlyTheNewest(MemoryBroker):
    """Forgets what was said of a node's other connections."""

    async def show(self, node, changes, lease):
        await super().show(node, {**dict.fromkeys(await self.shown(node), b""), **changes}, lease)


@breaks(ConnectionsContract.test_what_is_shown_of_a_node_is_seen_everywhere)
class ShowsWhoIsGone(MemoryBroker):
    async def show(self, node, changes, lease):
        await super().show(node, {client: what or b"gone" for client, what in changes.items()}, lease)


@breaks(ConnectionsContract.test_what_is_shown_of_a_node_is_seen_everywhere)
class ShowsOneNodeAsAll(MemoryBroker):
    async def show(self, node, changes, lease):
        await super().show("every node", changes, lease)

    async def shown(self, node):
        return await super().shown("every node")


@breaks(ConnectionsContract.test_what_is_shown_is_forgotten_with_the_node)
class ShowsForEver(MemoryBroker):
    async def show(self, node, changes, lease):
        await super().show(node, changes, math.inf)


@breaks(ConnectionsContract.test_what_is_shown_is_forgotten_with_the_node)
class IsNotRemindedByNothingNew(MemoryBroker):
    async def show(self, node, changes, lease):
        if changes:
            await super().show(node, changes, lease)


# What users keep.


@breaks(SubscriptionsContract.test_what_is_kept_is_known_everywhere)
class KeepsTheFirstTerms(MemoryBroker):
    async def keep(self, user, channel, terms):
        if channel not in await self.kept(user):
            await super().keep(user, channel, terms)


@breaks(SubscriptionsContract.test_what_is_kept_is_known_everywhere)
class TakesNoTermsForNothing(MemoryBroker):
    async def kept(self, user):
        return {channel: terms for channel, terms in (await super().kept(user)).items() if terms}


@breaks(SubscriptionsContract.test_it_does_not_expire)
class KeepsForALease(MemoryBroker):
    """Forgets what it has not been reminded of for 300 seconds."""

    async def keep(self, user, channel, terms):
        self.until = self._clock.now() + 300.0
        await super().keep(user, channel, terms)

    async def kept(self, user):
        return await super().kept(user) if self._clock.now() < self.until else {}


@breaks(SubscriptionsContract.test_what_is_forgotten_is_gone)
class ForgetsNothing(MemoryBroker):
    async def forget(self, user, channel=""):
        self._turn()


@breaks(SubscriptionsContract.test_what_is_forgotten_is_gone)
class ForgetsOneChannelAtATime(MemoryBroker):
    async def forget(self, user, channel=""):
        if channel:
            await super().forget(user, channel)


@breaks(SubscriptionsContract.test_what_is_forgotten_is_gone)
class ForgetsAllAtOnce(MemoryBroker):
    async def forget(self, user, channel=""):
        await super().forget(user)


# How it ends.


@breaks(
    BrokerContract.test_calls_after_stop_raise,
    HistoryContract.test_streams_are_out_of_reach_after_stop,
    PresenceContract.test_presence_is_out_of_reach_after_stop,
    NodesContract.test_nodes_are_out_of_reach_after_stop,
    ConnectionsContract.test_connections_are_out_of_reach_after_stop,
    SubscriptionsContract.test_subscriptions_are_out_of_reach_after_stop,
)
class AnswersForEver(MemoryBroker):
    async def stop(self):
        for channel in list(self._channels):
            await self.unsubscribe(channel)


@breaks(BrokerContract.test_calls_that_wait_end_with_stop)
class HangsAfterStop(MemoryBroker):
    async def publish(self, channel, publication, *, guard=NO_GUARD):
        await asyncio.sleep(0)
        if self._receiver is None:
            await asyncio.Event().wait()
        return await super().publish(channel, publication, guard=guard)


@breaks(BrokerContract.test_calls_that_wait_end_with_stop)
class LosesItsConnectionWithStop(MemoryBroker):
    async def publish(self, channel, publication, *, guard=NO_GUARD):
        await asyncio.sleep(0)
        if self._receiver is None:
            raise ConnectionResetError
        return await super().publish(channel, publication, guard=guard)


@breaks(BrokerContract.test_a_stopped_node_hears_nothing_more)
class StaysSubscribed(MemoryBroker):
    async def stop(self):
        self._receiver = None


@breaks(BrokerContract.test_stopping_again_is_harmless)
class StopsEverybodyTheSecondTime(MemoryBroker):
    async def stop(self):
        if self._receiver is None:
            self._backend._receivers = dict.fromkeys(self._backend._receivers, ())
        await super().stop()


@breaks(BrokerContract.test_a_cancelled_call_leaves_the_broker_usable)
class KeepsItsLock(MemoryBroker):
    """Does not let go of a lock when it is cancelled."""

    def __init__(self, clock, backend):
        super().__init__(clock, backend)
        self.lock = asyncio.Lock()

    async def publish(self, channel, publication, *, guard=NO_GUARD):
        await self.lock.acquire()
        await asyncio.sleep(0)
        accepted = await super().publish(channel, publication, guard=guard)
        self.lock.release()
        return accepted


@breaks(HistoryContract.test_a_stream_outlives_the_node_that_wrote_it)
class TakesStreamsAlong(MemoryBroker):
    async def stop(self):
        self._backend._streams = Expiring()
        await super().stop()


@breaks(PresenceContract.test_a_stopped_nodes_clients_stay_for_their_lease)
class TakesClientsAlong(MemoryBroker):
    async def stop(self):
        self._backend._clients.clear()
        await super().stop()


@breaks(HistoryContract.test_the_broker_says_that_it_keeps_history)
class HasNoHistory(MemoryBroker):
    read = None


@breaks(RepetitionContract.test_the_broker_says_that_it_recognises_a_repetition)
class ForgetsAtOnce(MemoryBroker):
    idempotency_ttl = 0.0


@breaks(PresenceContract.test_the_broker_says_that_it_keeps_presence)
class HasNoPresence(MemoryBroker):
    count = None


@breaks(NodesContract.test_the_broker_says_that_it_connects_nodes)
class HasNoNodes(MemoryBroker):
    nodes = None


@breaks(ConnectionsContract.test_the_broker_says_that_it_keeps_connections)
class HasNoConnections(MemoryBroker):
    clients = None


@breaks(SubscriptionsContract.test_the_broker_says_that_it_keeps_subscriptions)
class HasNoSubscriptions(MemoryBroker):
    kept = None


# The tests.

PROMISES = [promise for contract in CONTRACTS for promise in promises_of(contract)]


def name_of(value: Any) -> str:
    return value.__name__


@pytest.mark.parametrize(("promise", "broker"), VIOLATIONS, ids=name_of)
async def test_a_broken_promise_is_noticed(promise: Promise, broker: type[MemoryBroker]) -> None:
    """The promise's test fails, by what it asserts and not by accident."""
    with pytest.raises((AssertionError, TimeoutError)):
        await judge(promise, broker)


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_a_kept_promise_is_believed(promise: Promise) -> None:
    """The same way of running the tests finds nothing wrong with a broker that does nothing wrong."""
    await judge(promise, Altered)


def test_every_promise_was_broken() -> None:
    """A contract's test that fails on no broker would test nothing."""
    broken = {promise for promise, _ in VIOLATIONS}
    assert [name_of(promise) for promise in PROMISES if promise not in broken] == []


def test_contracts_can_be_combined() -> None:
    """No test of one contract hides another's of the same name when a class inherits from all."""
    names = Counter(map(name_of, PROMISES))
    assert [name for name, count in names.items() if count > 1] == []
