"""The promises of `KeepsConnections` and `KeepsSubscriptions`, as tests."""

from __future__ import annotations

import asyncio

from tidings.brokers.base import KeepsConnections, KeepsSubscriptions
from tidings.testing.contracts.backend import Backend, Contract, Node
from tidings.testing.contracts.broker import all_raise

LEASE = 3600.0
TERMS = bytes(range(256))


class ConnectionsContract(Contract):
    """What every broker that keeps connections promises. Users are named after `channel`, which nobody else uses."""

    async def test_the_broker_says_that_it_keeps_connections(self, node: Node) -> None:
        """Whoever is handed a broker finds out with `isinstance`."""
        assert isinstance(node.broker, KeepsConnections)

    async def test_a_users_connections_are_known_everywhere(self, node: Node, other: Node, channel: str) -> None:
        """Whichever node they are on; another user's are another user's."""
        assert await node.broker.arrive(channel, "1", LEASE)
        assert await other.broker.arrive(channel, "2", LEASE)
        assert await node.broker.arrive(f"{channel}:", "3", LEASE)
        for each in (node, other):
            assert sorted(await each.broker.clients(channel)) == ["1", "2"]

    async def test_who_departs_is_gone(self, node: Node, other: Node, channel: str) -> None:
        """At once, and nobody else is; departing again, or without having arrived, is harmless."""
        for client in ("1", "2"):
            await node.broker.arrive(channel, client, LEASE)
        for client in ("1", "1", "3"):
            await node.broker.depart(channel, client)
        assert list(await other.broker.clients(channel)) == ["2"]
        await other.broker.depart(channel, "2")
        assert list(await node.broker.clients(channel)) == []

    async def test_a_limit_holds_across_nodes(self, node: Node, other: Node, channel: str) -> None:
        """Whoever is counted already may arrive again; when one departs there is room for another."""
        brokers = (node.broker, other.broker, node.broker)
        arrived = [await each.arrive(channel, str(n), LEASE, limit=2) for n, each in enumerate(brokers)]
        assert arrived == [True, True, False]
        assert await other.broker.arrive(channel, "0", LEASE, limit=2)
        await other.broker.depart(channel, "0")
        assert await other.broker.arrive(channel, "2", LEASE, limit=2)
        assert sorted(await node.broker.clients(channel)) == ["1", "2"]

    async def test_a_limit_holds_for_those_who_come_at_once(self, node: Node, other: Node, channel: str) -> None:
        """Looking and counting are one step."""
        arrivals = (each.broker.arrive(channel, f"{n}", LEASE, limit=5) for n, each in enumerate((node, other) * 20))
        assert sum(await asyncio.gather(*arrivals)) == 5

    async def test_a_connection_ends_with_its_lease(self, node: Node, backend: Backend, channel: str) -> None:
        """Unless it arrives again; a limit has room then."""
        await node.broker.arrive(channel, "1", 4 * self.unit)
        await node.broker.arrive(channel, "2", 4 * self.unit)
        await backend.advance(2.5 * self.unit)
        await node.broker.arrive(channel, "1", 4 * self.unit)
        await backend.advance(2.5 * self.unit)
        assert list(await node.broker.clients(channel)) == ["1"]
        assert await node.broker.arrive(channel, "3", LEASE, limit=2)

    async def test_what_is_shown_of_a_node_is_seen_everywhere(self, node: Node, other: Node, channel: str) -> None:
        """The newest of each connection, byte for byte; those that are gone are not shown."""
        await node.broker.show(channel, {"1": b"old", "2": TERMS}, LEASE)
        await node.broker.show(channel, {"1": b"new", "3": b"3"}, LEASE)
        await node.broker.show(channel, {"3": b"", "4": b""}, LEASE)
        assert await other.broker.shown(channel) == {"1": b"new", "2": TERMS}
        assert await other.broker.shown(f"{channel}:elsewhere") == {}

    async def test_what_is_shown_is_forgotten_with_the_node(self, node: Node, backend: Backend, channel: str) -> None:
        """When nothing is said for a lease; saying nothing new is enough to be remembered."""
        await node.broker.show(channel, {"1": b"1"}, 4 * self.unit)
        await backend.advance(2.5 * self.unit)
        await node.broker.show(channel, {}, 4 * self.unit)
        await backend.advance(2.5 * self.unit)
        assert await node.broker.shown(channel) == {"1": b"1"}
        await backend.advance(2.5 * self.unit)
        assert await node.broker.shown(channel) == {}

    async def test_connections_are_out_of_reach_after_stop(self, node: Node, channel: str) -> None:
        """Every call raises `BrokerUnavailable`."""
        broker = node.broker
        await broker.stop()
        await all_raise(
            broker.arrive(channel, "1", LEASE),
            broker.depart(channel, "1"),
            broker.clients(channel),
            broker.show(channel, {}, LEASE),
            broker.shown(channel),
        )


class SubscriptionsContract(Contract):
    """What every broker that keeps subscriptions promises."""

    async def test_the_broker_says_that_it_keeps_subscriptions(self, node: Node) -> None:
        """Whoever is handed a broker finds out with `isinstance`."""
        assert isinstance(node.broker, KeepsSubscriptions)

    async def test_what_is_kept_is_known_everywhere(self, node: Node, other: Node, channel: str) -> None:
        """By channel, the newest terms byte for byte; another user's are another user's."""
        await node.broker.keep(channel, "a", b"old")
        await node.broker.keep(channel, "a", TERMS)
        await other.broker.keep(channel, "b", b"")
        await node.broker.keep(f"{channel}:", "c", b"c")
        for each in (node, other):
            assert await each.broker.kept(channel) == {"a": TERMS, "b": b""}

    async def test_it_does_not_expire(self, node: Node, backend: Backend, channel: str) -> None:
        """However long the user stays away."""
        await node.broker.keep(channel, "a", TERMS)
        await backend.advance(100 * self.unit)
        assert await node.broker.kept(channel) == {"a": TERMS}

    async def test_what_is_forgotten_is_gone(self, node: Node, other: Node, channel: str) -> None:
        """One channel, or all; forgetting again is harmless."""
        for name in "abc":
            await node.broker.keep(channel, name, TERMS)
        for _ in range(2):
            await other.broker.forget(channel, "a")
        assert sorted(await node.broker.kept(channel)) == ["b", "c"]
        for _ in range(2):
            await other.broker.forget(channel)
        assert await node.broker.kept(channel) == {}

    async def test_subscriptions_are_out_of_reach_after_stop(self, node: Node, channel: str) -> None:
        """Every call raises `BrokerUnavailable`."""
        broker = node.broker
        await broker.stop()
        await all_raise(broker.keep(channel, "a", b""), broker.forget(channel), broker.kept(channel))
