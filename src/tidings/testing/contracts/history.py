"""The promises of `KeepsHistory`, as tests: offsets, what is kept and for how long, and what a read selects."""

from __future__ import annotations

import asyncio

import pytest

from tidings.brokers.base import Accepted, Guard, KeepsHistory, Page, Retention
from tidings.model import ClientInfo, Publication, StreamPosition
from tidings.testing.contracts.backend import Backend, Contract, Node
from tidings.testing.contracts.broker import all_raise

KEPT = Retention(size=100, ttl=3600.0, meta_ttl=86400.0)

# What a read selects from a stream of seven publications of which 3 to 7 are retained: since, limit, reverse, offsets.
SELECTIONS = [
    (None, None, False, [3, 4, 5, 6, 7]),
    (0, None, False, [3, 4, 5, 6, 7]),
    (2, None, False, [3, 4, 5, 6, 7]),
    (3, None, False, [4, 5, 6, 7]),
    (6, None, False, [7]),
    (7, None, False, []),
    (8, None, False, []),
    (2**40, None, False, []),
    (None, 0, False, []),
    (None, 1, False, [3]),
    (None, 5, False, [3, 4, 5, 6, 7]),
    (None, 6, False, [3, 4, 5, 6, 7]),
    (0, 2, False, [3, 4]),
    (4, 2, False, [5, 6]),
    (6, 2, False, [7]),
    (7, 1, False, []),
    (4, 0, False, []),
    (None, None, True, [7, 6, 5, 4, 3]),
    (2**40, None, True, [7, 6, 5, 4, 3]),
    (8, None, True, [7, 6, 5, 4, 3]),
    (7, None, True, [6, 5, 4, 3]),
    (4, None, True, [3]),
    (3, None, True, []),
    (0, None, True, []),
    (None, 0, True, []),
    (None, 2, True, [7, 6]),
    (None, 6, True, [7, 6, 5, 4, 3]),
    (6, 2, True, [5, 4]),
    (4, 2, True, [3]),
    (6, 0, True, []),
]


def offsets(page: Page) -> list[int]:
    return [publication.offset for publication in page.publications]


async def append_all(node: Node, channel: str, count: int, retention: Retention = KEPT) -> None:
    """Append one after the other; the payload is the number of the call, from 1."""
    for number in range(1, count + 1):
        await node.broker.append(channel, Publication(str(number).encode()), retention)


async def read_all(node: Node, channel: str, count: int) -> list[Page]:
    """Read everything one time after the other, giving way between."""
    pages = []
    for _ in range(count):
        pages.append(await node.broker.read(channel, KEPT))
        await asyncio.sleep(0)
    return pages


class HistoryContract(Contract):
    """What every broker with streams promises. Its backend is a `Broker` too."""

    async def test_the_broker_says_that_it_keeps_history(self, node: Node) -> None:
        """Whoever is handed a broker finds out with `isinstance`."""
        assert isinstance(node.broker, KeepsHistory)

    # Positions.

    async def test_offsets_count_from_one(self, node: Node, channel: str) -> None:
        """The returned position, the one delivered and the one read are the same."""
        await node.broker.subscribe(channel)
        accepted = [await node.broker.append(channel, Publication(b"1", offset=99), KEPT) for _ in range(3)]
        page = await node.broker.read(channel, KEPT)
        assert accepted == [Accepted(StreamPosition(offset, page.top.epoch)) for offset in (1, 2, 3)]
        assert [publication.offset for publication in await node.heard(channel, 3)] == [1, 2, 3]
        assert node.epochs[channel] == {page.top.epoch}
        assert offsets(page) == [1, 2, 3]

    async def test_what_is_appended_reaches_every_subscribed_node(self, node: Node, other: Node, channel: str) -> None:
        """Once, and the same that a read returns, time included."""
        await node.broker.subscribe(channel)
        await other.broker.subscribe(channel)
        await append_all(node, channel, 2)
        page = await other.broker.read(channel, KEPT)
        assert await node.heard(channel, 2) == list(page.publications)
        assert await other.heard(channel, 2) == list(page.publications)

    async def test_appends_at_once_are_heard_in_the_order_of_their_offsets(
        self, node: Node, other: Node, channel: str
    ) -> None:
        """Whichever node appends: no offset is given twice or left out, and everybody hears, and reads, the same."""
        await node.broker.subscribe(channel)
        await other.broker.subscribe(channel)
        accepted = await asyncio.gather(
            *(
                each.broker.append(channel, Publication(str(n).encode()), KEPT)
                for n in range(25)
                for each in (node, other)
            )
        )
        expected = list(range(1, 51))
        assert sorted(result.position.offset for result in accepted) == expected
        assert [publication.offset for publication in await node.heard(channel, 50)] == expected
        kept = (await node.broker.read(channel, KEPT)).publications
        assert await node.heard(channel, 50) == list(kept)
        assert await other.heard(channel, 50) == list(kept)
        assert [kept[result.position.offset - 1].data for result in accepted] == [
            str(n).encode() for n in range(25) for _ in (node, other)
        ]

    async def test_a_page_ends_where_the_stream_ended(self, node: Node, other: Node, channel: str) -> None:
        """A read among appends shows one moment: all that is retained, up to the position it names."""
        pages, *_ = await asyncio.gather(
            read_all(node, channel, 30), append_all(node, channel, 30), append_all(other, channel, 30)
        )
        for page in (*pages, await node.broker.read(channel, KEPT)):
            assert offsets(page) == list(range(1, page.top.offset + 1))

    async def test_a_cancelled_append_happens_wholly_or_not_at_all(self, node: Node, channel: str) -> None:
        """What is kept was delivered, what was delivered is kept, and the stream goes on."""
        await node.broker.subscribe(channel)
        calls = [asyncio.create_task(node.broker.append(channel, Publication(b"1"), KEPT)) for _ in range(20)]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await node.broker.append(channel, Publication(b"last"), KEPT)
        await node.heard_until(channel, b"last")
        page = await node.broker.read(channel, KEPT)
        assert await node.heard(channel, page.top.offset) == list(page.publications)
        assert offsets(page) == list(range(1, page.top.offset + 1))

    async def test_a_stream_begins_with_its_first_use(self, node: Node, other: Node, channel: str) -> None:
        """Reading included: an empty stream has an epoch, which stays, on every node and when it fills."""
        empty = await node.broker.read(channel, KEPT)
        again = await other.broker.read(channel, KEPT)
        accepted = await node.broker.append(channel, Publication(b"1"), KEPT)
        assert empty.publications == ()
        assert (empty.top.offset, bool(empty.top.epoch)) == (0, True)
        assert again == empty
        assert accepted.position == StreamPosition(1, empty.top.epoch)

    async def test_every_channel_has_a_stream_of_its_own(self, node: Node, channel: str) -> None:
        """Counting in one leaves the other alone."""
        elsewhere = f"{channel}:elsewhere"
        await append_all(node, channel, 2)
        await append_all(node, elsewhere, 1)
        assert offsets(await node.broker.read(channel, KEPT)) == [1, 2]
        assert offsets(await node.broker.read(elsewhere, KEPT)) == [1]

    async def test_what_is_published_without_keeping_leaves_the_stream_alone(self, node: Node, channel: str) -> None:
        """It is delivered without a position, and takes no offset."""
        await node.broker.subscribe(channel)
        await node.broker.append(channel, Publication(b"1"), KEPT)
        await node.broker.publish(channel, Publication(b"2"))
        await node.broker.append(channel, Publication(b"3"), KEPT)
        assert [each.offset for each in await node.heard(channel, 3)] == [1, 0, 2]
        assert [each.data for each in (await node.broker.read(channel, KEPT)).publications] == [b"1", b"3"]

    # What is kept.

    async def test_a_trace_arrives_with_what_is_kept(self, node: Node, other: Node, channel: str) -> None:
        """Whoever hears it live goes on where its publisher was."""
        await other.broker.subscribe(channel)
        await node.broker.append(channel, Publication(b"1", trace="00-a-trace-01"), KEPT)
        await node.broker.append(channel, Publication(b"2"), KEPT)
        heard = await other.heard(channel, 2)
        assert [publication.trace for publication in heard] == ["00-a-trace-01", ""]

    @pytest.mark.parametrize("data", [b"", '{"text":"Grüße, 世界"}'.encode(), bytes(range(256)), bytes(100_000)])
    async def test_a_publication_is_kept_as_it_was_sent(
        self, node: Node, other: Node, channel: str, data: bytes
    ) -> None:
        """Payload, publisher and tags, byte for byte."""
        info = ClientInfo("ann", "client-1", b'{"name":"\xc3\x84nn"}', bytes(range(256)))
        tags = {"symbol": "ÄBC", "empty": "", "": "nameless"}
        await node.broker.append(channel, Publication(data, info=info, tags=tags), KEPT)
        await node.broker.append(channel, Publication(data), KEPT)
        with_extras, without = (await other.broker.read(channel, KEPT)).publications
        assert (with_extras.data, with_extras.info, with_extras.tags) == (data, info, tags)
        assert (without.data, without.info, without.tags) == (data, None, {})

    async def test_the_backend_sets_the_time_of_what_is_kept(self, node: Node, channel: str) -> None:
        """In Unix seconds, whatever the publisher put there."""
        await node.broker.append(channel, Publication(b"1", time=12.5), KEPT)
        (kept,) = (await node.broker.read(channel, KEPT)).publications
        assert 1e9 <= kept.time < 1e10

    @pytest.mark.parametrize("size", [1, 3])
    async def test_only_the_newest_are_kept(self, node: Node, channel: str, size: int) -> None:
        """At most `size` of them; the stream's end is not touched by that."""
        retention = Retention(size, KEPT.ttl, KEPT.meta_ttl)
        await append_all(node, channel, 5, retention)
        page = await node.broker.read(channel, retention)
        assert offsets(page) == [1, 2, 3, 4, 5][-size:]
        assert page.top.offset == 5

    async def test_publications_expire_after_the_newest(self, node: Node, backend: Backend, channel: str) -> None:
        """All together, `ttl` after the last one; epoch and count stay."""
        retention = Retention(100, 4 * self.unit, 100 * self.unit)
        first = await node.broker.append(channel, Publication(b"1"), retention)
        await backend.advance(2.5 * self.unit)
        await node.broker.append(channel, Publication(b"2"), retention)
        await backend.advance(2.5 * self.unit)
        assert offsets(await node.broker.read(channel, retention)) == [1, 2]
        await backend.advance(2.5 * self.unit)
        assert await node.broker.read(channel, retention) == Page((), StreamPosition(2, first.position.epoch))
        await node.broker.append(channel, Publication(b"3"), retention)
        assert offsets(await node.broker.read(channel, retention)) == [3]

    async def test_reading_does_not_prolong_what_is_kept(self, node: Node, backend: Backend, channel: str) -> None:
        """Only appending does."""
        retention = Retention(100, 4 * self.unit, 100 * self.unit)
        await node.broker.append(channel, Publication(b"1"), retention)
        await backend.advance(2.5 * self.unit)
        await node.broker.read(channel, retention)
        await backend.advance(2.5 * self.unit)
        assert offsets(await node.broker.read(channel, retention)) == []

    async def test_an_unused_stream_ends(self, node: Node, backend: Backend, channel: str) -> None:
        """`meta_ttl` after its last use; the next use begins another, with another epoch, from offset 1."""
        retention = Retention(100, 2 * self.unit, 4 * self.unit)
        first = await node.broker.append(channel, Publication(b"1"), retention)
        await backend.advance(5 * self.unit)
        second = await node.broker.append(channel, Publication(b"2"), retention)
        assert second.position.offset == 1
        assert second.position.epoch not in ("", first.position.epoch)
        assert [each.data for each in (await node.broker.read(channel, retention)).publications] == [b"2"]

    @pytest.mark.parametrize("use", ["read", "append"])
    async def test_a_stream_in_use_goes_on(self, node: Node, backend: Backend, channel: str, use: str) -> None:
        """Reading and appending are uses from which `meta_ttl` counts anew."""
        retention = Retention(100, 2 * self.unit, 4 * self.unit)
        first = await node.broker.append(channel, Publication(b"1"), retention)
        for _ in range(2):
            await backend.advance(2.5 * self.unit)
            if use == "read":
                await node.broker.read(channel, retention, limit=0)
            else:
                await node.broker.append(channel, Publication(b"1"), retention)
        assert (await node.broker.read(channel, retention)).top.epoch == first.position.epoch

    async def test_removing_keeps_epoch_and_count(self, node: Node, other: Node, channel: str) -> None:
        """What was retained is gone for every node, and the next offset follows the last."""
        await append_all(node, channel, 2)
        before = await node.broker.read(channel, KEPT)
        await other.broker.remove(channel)
        assert await node.broker.read(channel, KEPT) == Page((), before.top)
        accepted = await node.broker.append(channel, Publication(b"3"), KEPT)
        assert accepted.position == StreamPosition(3, before.top.epoch)
        assert offsets(await node.broker.read(channel, KEPT)) == [3]

    async def test_removing_concerns_its_channel_only(self, node: Node, channel: str) -> None:
        """Another channel's publications stay, and a channel without a stream is no error."""
        await append_all(node, channel, 1)
        await node.broker.remove(f"{channel}:elsewhere")
        assert offsets(await node.broker.read(channel, KEPT)) == [1]

    # What a read selects.

    async def test_a_read_selects_by_offset(self, node: Node, channel: str) -> None:
        """`since` is exclusive, `limit` counts from there, `reverse` turns both round; the top is always told."""
        retention = Retention(5, KEPT.ttl, KEPT.meta_ttl)
        await append_all(node, channel, 7, retention)
        selected = []
        for since, limit, reverse, _ in SELECTIONS:
            page = await node.broker.read(channel, retention, since=since, limit=limit, reverse=reverse)
            assert page.top.offset == 7
            assert [each.data for each in page.publications] == [
                str(each.offset).encode() for each in page.publications
            ]
            selected.append((since, limit, reverse, offsets(page)))
        assert selected == SELECTIONS

    async def test_every_read_of_an_empty_stream_is_empty(self, node: Node, channel: str) -> None:
        """Whatever it selects."""
        for since, limit, reverse, _ in SELECTIONS:
            page = await node.broker.read(channel, KEPT, since=since, limit=limit, reverse=reverse)
            assert (page.publications, page.top.offset) == ((), 0)

    # What a guard holds back.

    async def test_everything_is_appended_without_a_guard(self, node: Node, channel: str) -> None:
        """Equal publications are two publications."""
        for _ in range(2):
            assert (await node.broker.append(channel, Publication(b"1"), KEPT)).fresh
        assert offsets(await node.broker.read(channel, KEPT)) == [1, 2]

    async def test_a_version_must_be_above_the_last(self, node: Node, other: Node, channel: str) -> None:
        """Equal and lower ones are not published, and get the top of the stream."""
        await node.broker.subscribe(channel)
        fresh = []
        for sender, version in ((node, 5), (node, 4), (other, 5), (other, 6), (node, 6), (node, 10)):
            accepted = await sender.broker.append(
                channel, Publication(b"%d" % version), KEPT, guard=Guard(version=version)
            )
            fresh.append((version, accepted.position.offset, accepted.fresh))
        assert fresh == [(5, 1, True), (4, 1, False), (5, 1, False), (6, 2, True), (6, 2, False), (10, 3, True)]
        assert await node.heard_data(channel, 3) == [b"5", b"6", b"10"]
        assert [each.data for each in (await node.broker.read(channel, KEPT)).publications] == [b"5", b"6", b"10"]

    async def test_zero_is_no_version(self, node: Node, channel: str) -> None:
        """It is always published, and the last version still counts afterwards."""
        guards = [Guard(version=version) for version in (5, 0, 0, 5)]
        accepted = [await node.broker.append(channel, Publication(b"1"), KEPT, guard=guard) for guard in guards]
        assert [result.fresh for result in accepted] == [True, True, True, False]

    async def test_another_version_epoch_starts_over(self, node: Node, channel: str) -> None:
        """Versions of different epochs are not compared."""
        guards = [Guard("", *version) for version in ((5, ""), (1, "a"), (1, "a"), (2, "a"), (1, "b"))]
        accepted = [await node.broker.append(channel, Publication(b"1"), KEPT, guard=guard) for guard in guards]
        assert [result.fresh for result in accepted] == [True, True, False, True, True]

    async def test_a_version_concerns_its_channel_only(self, node: Node, channel: str) -> None:
        """Each channel counts its own."""
        await node.broker.append(channel, Publication(b"1"), KEPT, guard=Guard(version=5))
        assert (await node.broker.append(f"{channel}:elsewhere", Publication(b"1"), KEPT, guard=Guard(version=5))).fresh

    # How it ends.

    async def test_streams_are_out_of_reach_after_stop(self, node: Node, channel: str) -> None:
        """Every call raises `BrokerUnavailable`."""
        broker = node.broker
        await broker.stop()
        await all_raise(
            broker.append(channel, Publication(b"1"), KEPT), broker.read(channel, KEPT), broker.remove(channel)
        )

    async def test_a_stream_outlives_the_node_that_wrote_it(self, node: Node, other: Node, channel: str) -> None:
        """It belongs to the backend: other nodes read it and append to it."""
        await append_all(node, channel, 2)
        before = await node.broker.read(channel, KEPT)
        await node.broker.stop()
        assert await other.broker.read(channel, KEPT) == before
        assert (await other.broker.append(channel, Publication(b"3"), KEPT)).position.offset == 3
