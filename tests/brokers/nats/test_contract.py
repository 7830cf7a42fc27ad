"""The NATS broker keeps what brokers without memory have promised, and says what it does not promise."""

from __future__ import annotations

import pytest

from tidings.brokers.base import (
    Guard,
    KeepsConnections,
    KeepsHistory,
    KeepsPresence,
    KeepsSubscriptions,
    RecognisesRepetition,
)
from tidings.brokers.nats import NatsBroker, parse
from tidings.clock import SystemClock
from tidings.errors import LimitExceeded, NotAvailable
from tidings.model import Publication
from tidings.testing import NatsServer
from tidings.testing.contracts import Backend, BrokerContract, Node, NodesContract

pytestmark = [pytest.mark.world, pytest.mark.L3]

MORE = (KeepsHistory, KeepsPresence, KeepsConnections, KeepsSubscriptions, RecognisesRepetition)


class TestNats(BrokerContract, NodesContract):
    """One server, shared by all tests."""

    unit = 0.15

    @pytest.fixture
    def backend(self, nats_server: NatsServer) -> Backend:
        address = parse(nats_server.url)
        return Backend(lambda: NatsBroker(address, SystemClock()))

    async def test_it_opens_no_further_doors(self, node: Node) -> None:
        """What NATS keeps not, it does not claim to keep."""
        assert [door for door in MORE if isinstance(node.broker, door)] == []

    async def test_an_idempotency_key_is_not_ignored(self, node: Node, channel: str) -> None:
        """The caller is told, before anything is published."""
        await node.broker.subscribe(channel)
        with pytest.raises(NotAvailable, match="idempotency key"):
            await node.broker.publish(channel, Publication(b"1"), guard=Guard("once"))
        await node.broker.publish(channel, Publication(b"2"))
        assert await node.heard_data(channel, 1) == [b"2"]

    async def test_what_is_too_large_is_refused_by_itself(self, node: Node, channel: str) -> None:
        """The server would end the connection, and everybody's publications with it."""
        await node.broker.subscribe(channel)
        with pytest.raises(LimitExceeded, match="more than the broker takes"):
            await node.broker.publish(channel, Publication(bytes(2_000_000)))
        await node.broker.publish(channel, Publication(b"2"))
        assert await node.heard_data(channel, 1) == [b"2"]

    @pytest.mark.parametrize("name", ["a.b", "a b", "*", ">", "a.*", "$SYS.x", "=2E", ".", "~" * 255, '"\\'])
    async def test_any_name_is_a_channel(self, node: Node, other: Node, channel: str, name: str) -> None:
        """And not another one's, whatever its characters mean to NATS."""
        name = (channel + name)[-255:]
        await node.broker.subscribe(name)
        await other.broker.publish(name, Publication(b"mine"))
        await other.broker.publish(name.replace("*", "x").replace(">", "x")[1:], Publication(b"another's"))
        await other.broker.publish(name, Publication(b"last"))
        assert await node.heard_until(name, b"last") == [b"mine", b"last"]
