"""The promises of `ConnectsNodes`, as tests: who is alive, and what they say to each other."""

from __future__ import annotations

from tidings.brokers.base import ConnectsNodes
from tidings.testing.contracts.backend import Backend, Contract, Node
from tidings.testing.contracts.broker import all_raise

LEASE = 3600.0
CARD = bytes(range(256))


class NodesContract(Contract):
    """What every broker that connects nodes promises. Its backend is a `Broker` too.

    Nodes are known by names that the tests make up from `channel`, so that other nodes on the backend do not matter.
    """

    async def test_the_broker_says_that_it_connects_nodes(self, node: Node) -> None:
        """Whoever is handed a broker finds out with `isinstance`."""
        assert isinstance(node.broker, ConnectsNodes)

    async def test_who_joined_is_known(self, node: Node, other: Node, channel: str) -> None:
        """By name, with the card byte for byte, on every node."""
        await node.broker.join(f"{channel}-1", CARD, LEASE)
        await other.broker.join(f"{channel}-2", b"", LEASE)
        for each in (node, other):
            known = await each.broker.nodes()
            assert (known.get(f"{channel}-1"), known.get(f"{channel}-2")) == (CARD, b"")

    async def test_who_quits_is_known_no_longer(self, node: Node, other: Node, channel: str) -> None:
        """At once, and quitting again is harmless."""
        await node.broker.join(channel, CARD, LEASE)
        await node.broker.quit(channel)
        await node.broker.quit(channel)
        assert channel not in await other.broker.nodes()

    async def test_joining_again_shows_the_new_card(self, node: Node, other: Node, channel: str) -> None:
        """The newest is shown, and the lease begins anew."""
        await node.broker.join(channel, b"old", LEASE)
        await node.broker.join(channel, b"new", LEASE)
        assert (await other.broker.nodes()).get(channel) == b"new"

    async def test_a_node_that_is_silent_is_forgotten(
        self, node: Node, other: Node, backend: Backend, channel: str
    ) -> None:
        """When its lease has run out, and not before."""
        await node.broker.join(channel, CARD, 4 * self.unit)
        await backend.advance(2.5 * self.unit)
        assert channel in await other.broker.nodes()
        await backend.advance(2.5 * self.unit)
        assert channel not in await other.broker.nodes()

    async def test_joining_again_renews_the_lease(
        self, node: Node, other: Node, backend: Backend, channel: str
    ) -> None:
        """As often as need be."""
        for _ in range(3):
            await node.broker.join(channel, CARD, 4 * self.unit)
            await backend.advance(2.5 * self.unit)
            assert channel in await other.broker.nodes()

    async def test_what_is_sent_to_all_reaches_all(self, node: Node, other: Node, channel: str) -> None:
        """The sender's own node too, in the order in which it was sent, byte for byte."""
        await node.broker.join(f"{channel}-1", b"", LEASE)
        await other.broker.join(f"{channel}-2", b"", LEASE)
        messages = [f"{channel} {number}".encode() + CARD for number in range(20)]
        for message in messages:
            await node.broker.send(message)
        assert await node.messages_heard(20) == messages
        assert await other.messages_heard(20) == messages

    async def test_what_is_sent_to_one_reaches_only_that_one(self, node: Node, other: Node, channel: str) -> None:
        """Whoever sends it."""
        await node.broker.join(f"{channel}-1", b"", LEASE)
        await other.broker.join(f"{channel}-2", b"", LEASE)
        await node.broker.send(b"for the other", f"{channel}-2")
        await other.broker.send(b"for the first", f"{channel}-1")
        await node.broker.send(b"for itself", f"{channel}-1")
        assert await other.messages_heard(1) == [b"for the other"]
        assert sorted(await node.messages_heard(2)) == [b"for itself", b"for the first"]

    async def test_sending_to_nobody_is_harmless(self, node: Node, channel: str) -> None:
        """It is lost."""
        await node.broker.send(b"unheard", channel)

    async def test_who_quits_hears_nothing_more(self, node: Node, other: Node, channel: str) -> None:
        """And may join again."""
        await node.broker.join(f"{channel}-1", b"", LEASE)
        await other.broker.join(f"{channel}-2", b"", LEASE)
        await other.broker.quit(f"{channel}-2")
        await node.broker.send(b"unheard")
        await other.broker.join(f"{channel}-2", b"", LEASE)
        await node.broker.send(b"heard")
        assert await other.messages_heard(1) == [b"heard"]

    async def test_nodes_are_out_of_reach_after_stop(self, node: Node, channel: str) -> None:
        """Every call raises `BrokerUnavailable`."""
        broker = node.broker
        await broker.stop()
        await all_raise(broker.join(channel, b"", LEASE), broker.nodes(), broker.send(b""), broker.quit(channel))
