"""The promises of `KeepsPresence`, as tests: who is there, and until when."""

from __future__ import annotations

from tidings.brokers.base import KeepsPresence
from tidings.model import ClientInfo
from tidings.testing.contracts.backend import Backend, Contract, Node
from tidings.testing.contracts.broker import all_raise

LEASE = 3600.0
ANN = ClientInfo("ann", "client-1", b'{"name":"\xc3\x84nn"}', bytes(range(256)))
ANNS_PHONE = ClientInfo("ann", "client-2")
BOB = ClientInfo("bob", "client-3")


class PresenceContract(Contract):
    """What every broker with presence promises. Its backend is a `Broker` too."""

    async def test_the_broker_says_that_it_keeps_presence(self, node: Node) -> None:
        """Whoever is handed a broker finds out with `isinstance`."""
        assert isinstance(node.broker, KeepsPresence)

    async def test_who_entered_is_present(self, node: Node, other: Node, channel: str) -> None:
        """By client id, with the info byte for byte, on every node."""
        await node.broker.enter(channel, ANN, LEASE)
        await other.broker.enter(channel, BOB, LEASE)
        for each in (node, other):
            assert await each.broker.present(channel) == {"client-1": ANN, "client-3": BOB}

    async def test_nobody_is_in_a_channel_that_nobody_entered(self, node: Node, channel: str) -> None:
        """Whoever is in another channel is not in this one."""
        await node.broker.enter(f"{channel}:elsewhere", ANN, LEASE)
        assert await node.broker.present(channel) == {}
        assert await node.broker.count(channel) == (0, 0)

    async def test_clients_and_users_are_counted(self, node: Node, other: Node, channel: str) -> None:
        """A user with two clients is one user."""
        await node.broker.enter(channel, ANN, LEASE)
        await other.broker.enter(channel, ANNS_PHONE, LEASE)
        await node.broker.enter(channel, BOB, LEASE)
        assert await node.broker.count(channel) == (3, 2)
        assert await other.broker.count(channel) == (3, 2)

    async def test_who_left_is_not_present(self, node: Node, other: Node, channel: str) -> None:
        """A user's other clients stay, and any node may say that somebody left."""
        await node.broker.enter(channel, ANN, LEASE)
        await node.broker.enter(channel, ANNS_PHONE, LEASE)
        await other.broker.leave(channel, "client-1")
        assert await node.broker.present(channel) == {"client-2": ANNS_PHONE}
        assert await node.broker.count(channel) == (1, 1)

    async def test_leaving_concerns_its_channel_only(self, node: Node, channel: str) -> None:
        """Whoever leaves one channel stays in the others."""
        elsewhere = f"{channel}:elsewhere"
        await node.broker.enter(channel, ANN, LEASE)
        await node.broker.enter(elsewhere, ANN, LEASE)
        await node.broker.leave(elsewhere, "client-1")
        assert await node.broker.present(channel) == {"client-1": ANN}

    async def test_removing_somebody_who_is_not_there_is_harmless(self, node: Node, channel: str) -> None:
        """In an empty channel, among others, and a second time."""
        await node.broker.leave(channel, "client-1")
        await node.broker.enter(channel, BOB, LEASE)
        await node.broker.leave(channel, "client-1")
        await node.broker.enter(channel, ANN, LEASE)
        await node.broker.leave(channel, "client-1")
        await node.broker.leave(channel, "client-1")
        assert await node.broker.present(channel) == {"client-3": BOB}

    async def test_a_lease_runs_out(self, node: Node, backend: Backend, channel: str) -> None:
        """Each by itself, for reading and for counting, and whoever comes back is there again."""
        await node.broker.enter(channel, ANN, 2 * self.unit)
        await node.broker.enter(channel, BOB, 20 * self.unit)
        await backend.advance(self.unit)
        assert await node.broker.count(channel) == (2, 2)
        await backend.advance(2 * self.unit)
        assert await node.broker.present(channel) == {"client-3": BOB}
        assert await node.broker.count(channel) == (1, 1)
        await node.broker.enter(channel, ANN, 20 * self.unit)
        assert await node.broker.present(channel) == {"client-1": ANN, "client-3": BOB}

    async def test_entering_again_renews_the_lease(
        self, node: Node, other: Node, backend: Backend, channel: str
    ) -> None:
        """It begins anew, longer or shorter than what was left."""
        await node.broker.enter(channel, ANN, 3 * self.unit)
        await node.broker.enter(channel, BOB, 50 * self.unit)
        await backend.advance(1.5 * self.unit)
        await other.broker.enter(channel, ANN, 6 * self.unit)
        await other.broker.enter(channel, BOB, 3 * self.unit)
        await backend.advance(4.5 * self.unit)
        assert await node.broker.present(channel) == {"client-1": ANN}

    async def test_entering_again_shows_the_newest_info(self, node: Node, channel: str) -> None:
        """And counts nobody twice."""
        await node.broker.enter(channel, ClientInfo("ann", "client-1", b"old"), LEASE)
        await node.broker.enter(channel, ANN, LEASE)
        assert await node.broker.present(channel) == {"client-1": ANN}
        assert await node.broker.count(channel) == (1, 1)

    async def test_a_stopped_nodes_clients_stay_for_their_lease(
        self, node: Node, other: Node, backend: Backend, channel: str
    ) -> None:
        """A node that merely restarts makes nobody blink; one that is gone for good is forgotten in time."""
        await node.broker.enter(channel, ANN, 3 * self.unit)
        await node.broker.stop()
        assert await other.broker.present(channel) == {"client-1": ANN}
        await backend.advance(4.5 * self.unit)
        assert await other.broker.present(channel) == {}

    async def test_presence_is_out_of_reach_after_stop(self, node: Node, channel: str) -> None:
        """Every call raises `BrokerUnavailable`."""
        broker = node.broker
        await broker.stop()
        await all_raise(
            broker.enter(channel, ANN, LEASE),
            broker.leave(channel, "client-1"),
            broker.present(channel),
            broker.count(channel),
        )
