"""The promises of `Broker`, as tests: who hears what, in which order, how often, and what an end looks like."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from tidings.brokers.base import Accepted, Guard
from tidings.errors import BrokerUnavailable
from tidings.model import ClientInfo, Publication, StreamPosition
from tidings.testing.contracts.backend import Contract, Node

ANN = ClientInfo("ann", "client-1", b'{"name":"\xc3\x84nn"}', bytes(range(256)))
BOB = ClientInfo("", "client-2")


def numbered(count: int, prefix: str = "") -> list[bytes]:
    return [f"{prefix}{number}".encode() for number in range(count)]


async def publish_all(node: Node, channel: str, payloads: list[bytes]) -> None:
    """Publish one after the other, each when the one before has been accepted."""
    for data in payloads:
        await node.broker.publish(channel, Publication(data))


class BrokerContract(Contract):
    """What every broker promises."""

    # Who hears.

    async def test_every_subscribed_node_hears_each_publication_once(
        self, node: Node, other: Node, channel: str
    ) -> None:
        """The publisher's own node is one of them."""
        await node.broker.subscribe(channel)
        await other.broker.subscribe(channel)
        await publish_all(node, channel, [b"1", b"2"])
        assert await node.heard_data(channel, 2) == [b"1", b"2"]
        assert await other.heard_data(channel, 2) == [b"1", b"2"]

    async def test_nothing_is_missed_after_subscribe_returned(self, node: Node, other: Node, channel: str) -> None:
        """However many subscriptions are made at once, what is published afterwards arrives in every one."""
        channels = [f"{channel}:{number}" for number in range(50)]
        await asyncio.gather(*map(node.broker.subscribe, channels))
        await asyncio.gather(*(other.broker.publish(each, Publication(each.encode())) for each in channels))
        for each in channels:
            assert await node.heard_data(each, 1) == [each.encode()]

    async def test_other_channels_are_not_heard(self, node: Node, channel: str) -> None:
        """A node hears the channels that it asked for, and only from then on."""
        silent = f"{channel}:silent"
        await node.broker.subscribe(channel)
        await node.broker.publish(silent, Publication(b"unheard"))
        await node.broker.subscribe(silent)
        await node.broker.publish(silent, Publication(b"heard"))
        assert await node.heard_data(silent, 1) == [b"heard"]
        assert await node.heard_data(channel, 0) == []

    async def test_subscribing_again_is_harmless(self, node: Node, channel: str) -> None:
        """A channel that was asked for twice is still heard once."""
        await node.broker.subscribe(channel)
        await node.broker.subscribe(channel)
        await publish_all(node, channel, [b"1", b"2"])
        assert await node.heard_data(channel, 2) == [b"1", b"2"]

    async def test_nothing_is_heard_between_unsubscribing_and_subscribing(self, node: Node, channel: str) -> None:
        """One unsubscribe undoes any number of subscribes, and a channel can be asked for anew."""
        await node.broker.subscribe(channel)
        await node.broker.subscribe(channel)
        await node.broker.unsubscribe(channel)
        await node.broker.publish(channel, Publication(b"unheard"))
        await node.broker.subscribe(channel)
        await node.broker.publish(channel, Publication(b"heard"))
        assert await node.heard_data(channel, 1) == [b"heard"]

    async def test_unsubscribing_again_is_harmless(self, node: Node, channel: str) -> None:
        """So is unsubscribing from a channel that was never asked for."""
        await node.broker.unsubscribe(channel)
        await node.broker.subscribe(channel)
        await node.broker.unsubscribe(channel)
        await node.broker.unsubscribe(channel)
        await node.broker.subscribe(channel)
        await node.broker.publish(channel, Publication(b"1"))
        assert await node.heard_data(channel, 1) == [b"1"]

    async def test_unsubscribing_concerns_the_own_node_only(self, node: Node, other: Node, channel: str) -> None:
        """Another node goes on hearing the channel."""
        await node.broker.subscribe(channel)
        await other.broker.subscribe(channel)
        await node.broker.unsubscribe(channel)
        await node.broker.publish(channel, Publication(b"1"))
        assert await other.heard_data(channel, 1) == [b"1"]

    async def test_the_receiver_is_called_in_the_event_loop(self, node: Node, channel: str) -> None:
        """Never from another thread."""
        await node.broker.subscribe(channel)
        await node.broker.publish(channel, Publication(b"1"))
        await node.broker.publish_join(channel, ANN)
        await node.broker.publish_leave(channel, ANN)
        await node.told(channel, 3)
        assert node.threads == {threading.get_ident()}

    # In which order.

    async def test_one_nodes_publications_arrive_in_its_order(self, node: Node, other: Node, channel: str) -> None:
        """On every node, the publisher's and others'."""
        await node.broker.subscribe(channel)
        await other.broker.subscribe(channel)
        await publish_all(node, channel, numbered(100))
        assert await node.heard_data(channel, 100) == numbered(100)
        assert await other.heard_data(channel, 100) == numbered(100)

    async def test_each_node_keeps_its_order_beside_others(self, node: Node, other: Node, channel: str) -> None:
        """Two nodes publish at the same time; each one's publications stay in order, and none is lost."""
        await node.broker.subscribe(channel)
        await other.broker.subscribe(channel)
        await asyncio.gather(
            publish_all(node, channel, numbered(50, "a")), publish_all(other, channel, numbered(50, "b"))
        )
        for each in (node, other):
            heard = await each.heard_data(channel, 100)
            assert [data for data in heard if data.startswith(b"a")] == numbered(50, "a")
            assert [data for data in heard if data.startswith(b"b")] == numbered(50, "b")

    async def test_joins_and_leaves_keep_their_place_among_publications(
        self, node: Node, other: Node, channel: str
    ) -> None:
        """Who sends them one after the other is heard in that order."""
        await other.broker.subscribe(channel)
        for _ in range(10):
            await node.broker.publish_join(channel, ANN)
            await node.broker.publish(channel, Publication(b"1"))
            await node.broker.publish_leave(channel, ANN)
        assert [kind for kind, _ in await other.told(channel, 30)] == ["join", "publication", "leave"] * 10

    # What arrives.

    @pytest.mark.parametrize("data", [b"", b"{}", '{"text":"Grüße, 世界"}'.encode(), bytes(range(256)), bytes(100_000)])
    async def test_a_publication_arrives_as_it_was_sent(
        self, node: Node, other: Node, channel: str, data: bytes
    ) -> None:
        """Payload, publisher and tags, byte for byte, whether or not they are text."""
        tags = {"symbol": "ÄBC", "empty": "", "": "nameless"}
        await other.broker.subscribe(channel)
        await node.broker.publish(channel, Publication(data, info=ANN, tags=tags))
        (heard,) = await other.heard(channel, 1)
        assert (heard.data, heard.info, heard.tags) == (data, ANN, tags)

    async def test_a_publication_without_extras_arrives_without(self, node: Node, channel: str) -> None:
        """A back end is nobody's client, and tags are not made up."""
        await node.broker.subscribe(channel)
        await node.broker.publish(channel, Publication(b"1"))
        (heard,) = await node.heard(channel, 1)
        assert (heard.info, heard.tags) == (None, {})

    async def test_a_trace_arrives_with_its_publication(self, node: Node, other: Node, channel: str) -> None:
        """Another node goes on where this one was; without a trace none is made up."""
        await other.broker.subscribe(channel)
        await node.broker.publish(channel, Publication(b"1", trace="00-a-trace-01 with=state"))
        await node.broker.publish(channel, Publication(b"2"))
        heard = await other.heard(channel, 2)
        assert [publication.trace for publication in heard] == ["00-a-trace-01 with=state", ""]

    async def test_the_backend_sets_the_time(self, node: Node, other: Node, channel: str) -> None:
        """In Unix seconds, whatever the publisher put there, and the same for every node."""
        await node.broker.subscribe(channel)
        await other.broker.subscribe(channel)
        await node.broker.publish(channel, Publication(b"1", time=12.5))
        (here,) = await node.heard(channel, 1)
        (there,) = await other.heard(channel, 1)
        assert 1e9 <= here.time < 1e10
        assert here.time == there.time

    async def test_what_is_not_kept_has_no_position(self, node: Node, channel: str) -> None:
        """Offset, epoch and the returned position are zero values."""
        await node.broker.subscribe(channel)
        accepted = await node.broker.publish(channel, Publication(b"1"))
        (heard,) = await node.heard(channel, 1)
        assert accepted == Accepted(StreamPosition(0, ""), fresh=True)
        assert heard.offset == 0
        assert node.epochs[channel] == {""}

    async def test_joins_and_leaves_reach_every_subscribed_node(self, node: Node, other: Node, channel: str) -> None:
        """As they were sent, and in order."""
        await node.broker.subscribe(channel)
        await other.broker.subscribe(channel)
        await node.broker.publish_join(channel, ANN)
        await node.broker.publish_join(channel, BOB)
        await node.broker.publish_leave(channel, ANN)
        for each in (node, other):
            assert await each.told(channel, 3) == [("join", ANN), ("join", BOB), ("leave", ANN)]

    async def test_joins_and_leaves_of_other_channels_are_not_seen(self, node: Node, channel: str) -> None:
        """A node sees those of the channels that it asked for, and only from then on."""
        await node.broker.publish_join(channel, ANN)
        await node.broker.publish_leave(channel, ANN)
        await node.broker.subscribe(channel)
        await node.broker.publish_join(channel, BOB)
        assert await node.told(channel, 1) == [("join", BOB)]

    # What a guard holds back.

    async def test_nothing_is_held_without_a_guard(self, node: Node, channel: str) -> None:
        """Equal publications are two publications."""
        await node.broker.subscribe(channel)
        await publish_all(node, channel, [b"1", b"1"])
        assert await node.heard_data(channel, 2) == [b"1", b"1"]

    async def test_versions_are_not_looked_at_without_a_stream(self, node: Node, channel: str) -> None:
        """An older version is published as well."""
        assert (await node.broker.publish(channel, Publication(b"2"), guard=Guard(version=2))).fresh
        assert (await node.broker.publish(channel, Publication(b"1"), guard=Guard(version=1))).fresh

    # How it ends.

    async def test_calls_after_stop_raise(self, node: Node, channel: str) -> None:
        """Every call raises `BrokerUnavailable`."""
        broker = node.broker
        await broker.stop()
        await all_raise(
            broker.subscribe(channel),
            broker.unsubscribe(channel),
            broker.publish(channel, Publication(b"1")),
            broker.publish_join(channel, ANN),
            broker.publish_leave(channel, ANN),
        )

    async def test_calls_that_wait_end_with_stop(self, node: Node, channel: str) -> None:
        """Each call under way returns what it did, or raises `BrokerUnavailable`; none is left hanging."""
        calls = [asyncio.create_task(node.broker.publish(channel, Publication(b"1"))) for _ in range(20)]
        await asyncio.sleep(0)
        await node.broker.stop()
        _, hanging = await asyncio.wait(calls, timeout=self.patience)
        for call in hanging:
            call.cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [each for each in outcomes if not isinstance(each, Accepted | BrokerUnavailable)] == []

    async def test_a_stopped_node_hears_nothing_more(self, node: Node, other: Node, channel: str) -> None:
        """While the others go on."""
        await node.broker.subscribe(channel)
        await other.broker.subscribe(channel)
        await node.broker.stop()
        await other.broker.publish(channel, Publication(b"1"))
        assert await other.heard_data(channel, 1) == [b"1"]
        assert await node.heard_data(channel, 0) == []

    async def test_stopping_again_is_harmless(self, node: Node, other: Node, channel: str) -> None:
        """For the node and for the others."""
        await other.broker.subscribe(channel)
        await node.broker.stop()
        await node.broker.stop()
        await other.broker.publish(channel, Publication(b"1"))
        assert await other.heard_data(channel, 1) == [b"1"]

    async def test_a_cancelled_call_leaves_the_broker_usable(self, node: Node, channel: str) -> None:
        """Whether or not it took effect, what follows does, and nothing comes twice."""
        await node.broker.subscribe(channel)
        calls = [asyncio.create_task(node.broker.publish(channel, Publication(data))) for data in numbered(20)]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        async with asyncio.timeout(self.patience):
            await node.broker.publish(channel, Publication(b"last"))
        heard = await node.heard_until(channel, b"last")
        assert b"last" in heard
        assert len(heard) == len(set(heard))


async def all_raise(*calls: Coroutine[Any, Any, object]) -> None:
    """Await every call; each has to raise `BrokerUnavailable`."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [outcome for outcome in outcomes if not isinstance(outcome, BrokerUnavailable)] == []
