"""The promises of `RecognisesRepetition`, as tests: a publication with a key that was used before is not published."""

from __future__ import annotations

import asyncio

from tidings.brokers.base import IDEMPOTENCY_TTL, Accepted, Guard, RecognisesRepetition, Retention
from tidings.model import Publication
from tidings.testing.contracts.backend import Backend, Contract, Node

ONCE = Guard(idempotency_key="once")
KEPT = Retention(size=100, ttl=3600.0, meta_ttl=86400.0)


class RepetitionContract(Contract):
    """What every broker that recognises a repetition promises. Its backend is a `Broker` too."""

    async def test_the_broker_says_that_it_recognises_a_repetition(self, node: Node) -> None:
        """Whoever is handed a broker finds out with `isinstance`, and for how long."""
        assert isinstance(node.broker, RecognisesRepetition)
        assert node.broker.idempotency_ttl == IDEMPOTENCY_TTL

    async def test_a_repeated_idempotency_key_is_not_published(self, node: Node, other: Node, channel: str) -> None:
        """On whichever node it is repeated; the caller is told that it was held."""
        await node.broker.subscribe(channel)
        assert (await node.broker.publish(channel, Publication(b"1"), guard=ONCE)).fresh
        assert not (await node.broker.publish(channel, Publication(b"2"), guard=ONCE)).fresh
        assert not (await other.broker.publish(channel, Publication(b"3"), guard=ONCE)).fresh
        await node.broker.publish(channel, Publication(b"4"))
        assert await node.heard_data(channel, 2) == [b"1", b"4"]

    async def test_calls_at_once_with_one_key_publish_once(self, node: Node, other: Node, channel: str) -> None:
        """Recognising a key and noting it are one step."""
        await node.broker.subscribe(channel)
        results = await asyncio.gather(
            *(each.broker.publish(channel, Publication(b"1"), guard=ONCE) for each in (node, other) * 10)
        )
        await node.broker.publish(channel, Publication(b"2"))
        assert sum(accepted.fresh for accepted in results) == 1
        assert await node.heard_data(channel, 2) == [b"1", b"2"]

    async def test_a_key_concerns_its_channel_only(self, node: Node, channel: str) -> None:
        """The same key in another channel is another publication, and so is another key in the same."""
        elsewhere = f"{channel}:elsewhere"
        await node.broker.publish(channel, Publication(b"1"), guard=ONCE)
        assert (await node.broker.publish(elsewhere, Publication(b"1"), guard=ONCE)).fresh
        assert (await node.broker.publish(channel, Publication(b"1"), guard=Guard("another"))).fresh

    async def test_a_key_is_recognised_for_its_time(self, node: Node, backend: Backend, channel: str) -> None:
        """Counted from the first publication, and not longer."""
        await node.broker.publish(channel, Publication(b"1"), guard=ONCE)
        await backend.advance(IDEMPOTENCY_TTL * 0.9)
        assert not (await node.broker.publish(channel, Publication(b"1"), guard=ONCE)).fresh
        await backend.advance(IDEMPOTENCY_TTL * 0.2)
        assert (await node.broker.publish(channel, Publication(b"1"), guard=ONCE)).fresh


class KeptRepetitionContract(Contract):
    """What a broker that recognises a repetition promises of what it keeps, if it keeps history."""

    async def test_a_repeated_idempotency_key_is_not_appended(self, node: Node, other: Node, channel: str) -> None:
        """The repetition gets the first one's position, on whichever node and however many came between."""
        await node.broker.subscribe(channel)
        first = await node.broker.append(channel, Publication(b"1"), KEPT, guard=ONCE)
        await node.broker.append(channel, Publication(b"2"), KEPT)
        for each in (node, other):
            again = await each.broker.append(channel, Publication(b"1"), KEPT, guard=ONCE)
            assert again == Accepted(first.position, fresh=False)
        await node.broker.append(channel, Publication(b"3"), KEPT)
        assert first.fresh
        assert await node.heard_data(channel, 3) == [b"1", b"2", b"3"]
        assert [each.offset for each in (await node.broker.read(channel, KEPT)).publications] == [1, 2, 3]

    async def test_appends_at_once_with_one_key_append_once(self, node: Node, other: Node, channel: str) -> None:
        """Recognising a key, noting it and appending are one step."""
        results = await asyncio.gather(
            *(each.broker.append(channel, Publication(b"1"), KEPT, guard=ONCE) for each in (node, other) * 10)
        )
        assert sum(accepted.fresh for accepted in results) == 1
        assert {accepted.position.offset for accepted in results} == {1}
        assert [each.offset for each in (await node.broker.read(channel, KEPT)).publications] == [1]

    async def test_a_key_for_appending_concerns_its_channel_only(self, node: Node, channel: str) -> None:
        """The same key in another channel is another publication, and so is another key in the same."""
        elsewhere = f"{channel}:elsewhere"
        await node.broker.append(channel, Publication(b"1"), KEPT, guard=ONCE)
        assert (await node.broker.append(elsewhere, Publication(b"1"), KEPT, guard=ONCE)).fresh
        assert (await node.broker.append(channel, Publication(b"1"), KEPT, guard=Guard("another"))).fresh

    async def test_a_key_is_recognised_however_it_was_published(self, node: Node, channel: str) -> None:
        """Keeping and not keeping share the channel's keys."""
        unkept = await node.broker.publish(channel, Publication(b"1"), guard=Guard("unkept"))
        kept = await node.broker.append(channel, Publication(b"2"), KEPT, guard=Guard("kept"))
        again = await node.broker.append(channel, Publication(b"1"), KEPT, guard=Guard("unkept"))
        assert again == Accepted(unkept.position, fresh=False)
        again = await node.broker.publish(channel, Publication(b"2"), guard=Guard("kept"))
        assert again == Accepted(kept.position, fresh=False)

    async def test_a_key_for_appending_is_recognised_for_its_time(
        self, node: Node, backend: Backend, channel: str
    ) -> None:
        """Counted from the first publication, and not longer."""
        await node.broker.append(channel, Publication(b"1"), KEPT, guard=ONCE)
        await backend.advance(IDEMPOTENCY_TTL * 0.9)
        assert not (await node.broker.append(channel, Publication(b"1"), KEPT, guard=ONCE)).fresh
        await backend.advance(IDEMPOTENCY_TTL * 0.2)
        assert (await node.broker.append(channel, Publication(b"1"), KEPT, guard=ONCE)).fresh
