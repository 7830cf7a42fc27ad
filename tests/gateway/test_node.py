"""A node: its life, whom it lets in, how it sends everybody away, and what a back end does with its users."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace
from tests.gateway.house import House
from tests.gateway.wire import HANDSHAKE, PATIENCE, Caller, turn, until

from tidings import events
from tidings.brokers.base import Receiver
from tidings.brokers.memory import MemoryBroker
from tidings.clock import ManualClock
from tidings.errors import BrokerUnavailable, LimitExceeded, UnknownChannel
from tidings.gateway.application import NoApplication
from tidings.gateway.client import Client
from tidings.gateway.grants import SubscriptionGrant
from tidings.gateway.node import Limits
from tidings.wire.centrifuge.messages import Disconnect
from tidings.wire.centrifuge.protobuf import PROTOBUF

pytestmark = pytest.mark.shell

GRANT = SubscriptionGrant()


class ReluctantBroker(MemoryBroker):
    """Is away for the first times that it is started, and takes its time."""

    def __init__(self, failures: int) -> None:
        super().__init__(ManualClock())
        self.failures = failures
        self.starts = 0
        self.stops = 0

    async def start(self, receiver: Receiver) -> None:
        self.starts += 1
        await asyncio.sleep(0)
        if self.starts <= self.failures:
            raise BrokerUnavailable
        await super().start(receiver)

    async def stop(self) -> None:
        self.stops += 1
        await super().stop()


@pytest.fixture
async def house() -> Any:
    async with House() as house:
        yield house


class TestLife:
    async def test_everybody_may_start_it(self) -> None:
        """It starts once, and whoever asks meanwhile waits until it has."""
        broker = ReluctantBroker(0)
        house = House(broker=broker)
        assert not house.node.is_started
        await asyncio.gather(*(house.node.start() for _ in range(5)))
        await house.node.start()
        assert (broker.starts, house.node.is_started) == (1, True)
        await house.node.stop()

    async def test_a_start_that_failed_is_tried_again(self) -> None:
        broker = ReluctantBroker(2)
        house = House(broker=broker)
        for _ in range(2):
            with pytest.raises(BrokerUnavailable):
                await house.node.start()
            assert not house.node.is_started
        await house.node.start()
        assert house.node.is_started
        await house.node.stop()

    async def test_one_who_does_not_wait_for_it_stops_nobody_else(self) -> None:
        house = House(broker=ReluctantBroker(0))
        impatient, patient = asyncio.create_task(house.node.start()), asyncio.create_task(house.node.start())
        await asyncio.sleep(0)
        impatient.cancel()
        await patient
        assert house.node.is_started
        await house.node.stop()

    async def test_what_was_never_started_is_stopped_at_once(self) -> None:
        await House().node.stop()

    async def test_a_start_that_failed_leaves_nothing_behind(self) -> None:
        """A broker that is away goes on trying until it is stopped."""
        broker = ReluctantBroker(1)
        house = House(broker=broker)
        with pytest.raises(BrokerUnavailable):
            await house.node.start()
        await house.node.stop()
        assert broker.stops == 1

    @pytest.mark.parametrize("turns", range(6))
    async def test_stopped_while_it_starts(self, turns: int) -> None:
        """Whoever waits for the start is told, and nothing starts any more."""
        broker = ReluctantBroker(0)
        house = House(broker=broker)
        waiting = [asyncio.create_task(house.node.start()) for _ in range(2)]
        for _ in range(turns):
            await asyncio.sleep(0)
        under_way = broker.starts > 0 and not house.node.is_started
        await house.node.stop()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        if under_way:
            assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable] * 2
            assert not house.node.is_started
        await house.node.stop()
        assert broker.stops > 0

    async def test_a_failure_is_no_end_of_the_signs_of_life(self) -> None:
        """It is announced, and the next sign is given all the same."""

        class Failing(MemoryBroker):
            async def show(self, node: str, changes: Mapping[str, bytes], lease: float) -> None:
                raise ValueError("out of order")

        async with House(broker=Failing(ManualClock()), node={"lease": 0.03}) as house:
            async with asyncio.timeout(PATIENCE):
                while len(house.told(events.CommandFailed)) < 2:
                    await turn()
            assert str(house.told(events.CommandFailed)[0].error) == "out of order"

    async def test_a_broker_that_forgets_again_while_it_is_told(self) -> None:
        """Is told once more, from the beginning: what it was told first may be forgotten, too."""

        class Forgetful(MemoryBroker):
            joined = 0

            async def join(self, node: str, card: bytes, lease: float) -> None:
                self.joined += 1
                await gate.wait()
                await super().join(node, card, lease)

        gate = asyncio.Event()
        gate.set()
        broker = Forgetful(ManualClock())
        async with House(broker=broker, node={"lease": 3600.0}) as house:
            begun = broker.joined
            gate.clear()
            house.node.hub.on_resumed([])
            await until(lambda: broker.joined == begun + 1)
            for _ in range(3):
                house.node.hub.on_resumed([])
            gate.set()
            await until(lambda: broker.joined == begun + 2)
            for _ in range(10):
                await turn()
            assert broker.joined == begun + 2

    async def test_a_fault_while_the_broker_is_told_again(self) -> None:
        """Is announced, and the next return of the broker is answered all the same."""

        class Faulty(MemoryBroker):
            joined = 0

            async def join(self, node: str, card: bytes, lease: float) -> None:
                self.joined += 1
                if self.joined == 2:
                    raise ValueError("out of order")
                await super().join(node, card, lease)

        broker = Faulty(ManualClock())
        async with House(broker=broker, node={"lease": 3600.0}) as house:
            house.node.hub.on_resumed([])
            await until(lambda: house.told(events.CommandFailed))
            assert str(house.told(events.CommandFailed)[0].error) == "out of order"
            house.node.hub.on_resumed([])
            await until(lambda: broker.joined == 3)

    async def test_a_handler_that_will_not_end_does_not_keep_the_node(self) -> None:
        """Neither one that hears of the end for ever, nor one that does not care that it is cancelled."""

        class Endless(NoApplication):
            def hears_ends(self) -> bool:
                return True

            async def disconnected(self, client: Client, code: int, reason: str) -> None:
                await asyncio.Event().wait()

        house = House(application=Endless(), node={"hearing": 0.01})
        await house.node.start()
        await house.caller("ada")
        async with asyncio.timeout(PATIENCE):
            await house.node.stop()

    async def test_a_stop_that_is_cancelled_can_be_asked_for_again(self) -> None:
        """Everybody is told all the same."""
        house = House(node={"drain_timeout": 1.0})
        await house.node.start()
        callers = [await house.caller(f"user-{number}") for number in range(25)]
        stopping = asyncio.create_task(house.node.stop())
        await until(lambda: callers[0].wire.end)
        stopping.cancel()
        await asyncio.wait([stopping])
        await house.node.stop()
        assert [caller.wire.end for caller in callers] == [(3001, "shutdown")] * 25

    async def test_while_the_broker_is_away_nobody_is_let_in(self) -> None:
        house = House()
        refusal = house.node.refuse(HANDSHAKE)
        assert refusal is not None and (refusal.status, refusal.text) == (503, "the broker is away")

    async def test_whether_the_broker_answers(self, house: House) -> None:
        await house.node.reach()
        await house.node.hub.stop()
        with pytest.raises(BrokerUnavailable):
            await house.node.reach()

    async def test_stopping_ends_what_handlers_still_do(self) -> None:
        """They are cancelled and waited for; their clients have been sent away before."""
        ends: list[object] = []

        class Slow(NoApplication):
            def handles_rpc(self) -> bool:
                return True

            async def call(self, client: Client, method: str, data: bytes) -> bytes:
                try:
                    await asyncio.Event().wait()
                finally:
                    ends.append(ada.wire.end)
                return b""

        async with House(application=Slow()) as house:
            ada = await house.caller()
            ada.begin({"rpc": {"method": "slow"}})
            await asyncio.sleep(0)
        assert ends == [(3001, "shutdown")]

    async def test_it_says_how_it_is(self, house: House) -> None:
        await house.caller("ada")
        await house.caller("ada")
        await house.caller("bob")
        assert repr(house.node) == f"<Node {house.node.id}: 3 connections, 2 users>"


class TestDoor:
    async def test_as_many_as_it_bears(self) -> None:
        """Counted from the moment the transport is open; who leaves makes room."""
        async with House(limits=Limits(connections=2)) as house:
            first, _ = Caller(house.node), await house.caller("ada")
            refusal = house.node.refuse(HANDSHAKE)
            assert refusal is not None
            assert (refusal.status, refusal.text) == (503, "the server has too many connections")
            first.wire.lose()
            assert house.node.refuse(HANDSHAKE) is None

    async def test_pages_from_elsewhere(self) -> None:
        """An origin that is neither our own nor allowed is refused; programs send none."""
        async with House(node={"allowed_origins": ["https://app.test"]}) as house:
            for origin, status in [(None, None), ("https://app.test", None), ("https://evil.test", 403)]:
                refusal = house.node.refuse(replace(HANDSHAKE, origin=origin))
                assert (refusal and refusal.status) == status, origin

    async def test_as_many_as_one_user_may_have(self) -> None:
        """One more ends with 3504; anonymous clients are not one person."""
        async with House(limits=Limits(connections_per_user=2), anonymous=True) as house:
            first = await house.caller("ada")
            await house.caller("ada")
            third = Caller(house.node)
            third.arrive("ada")
            assert await third.ended() == (3504, "connection limit")
            for _ in range(3):
                assert "connect" in await Caller(house.node).connect()
            first.wire.lose()
            await house.caller("ada")


class TestDrain:
    async def test_everybody_is_told(self, house: House) -> None:
        """Those who are connected, and those who have not yet said who they are; once."""
        callers = [await house.caller("ada", "news"), await house.caller("bob"), Caller(house.node)]
        house.node.drain()
        house.node.drain()
        for caller in callers:
            assert await caller.ended() == (3001, "shutdown")
        await until(lambda: not house.node.connections)
        assert [fact.code for fact in house.told(events.ConnectionClosed)] == [3001] * 3
        assert house.node.hub.channels() == {}

    async def test_nobody_is_let_in(self, house: House) -> None:
        """Neither at the door, nor through a handshake that was under way."""
        house.node.drain()
        refusal = house.node.refuse(HANDSHAKE)
        assert refusal is not None
        assert (refusal.status, refusal.text) == (503, "the server is shutting down")
        late = Caller(house.node)
        assert late.wire.end == (3001, "shutdown")
        late.say('{"id":1,"connect":{}}')
        assert late.wire.messages == []

    async def test_one_transport_begins_it_for_all(self, house: House) -> None:
        """A server that stops tells each connection by itself; the first is enough."""
        ada, bob = await house.caller("ada"), await house.caller("bob")
        ada.connection.shutdown()
        assert await bob.ended() == (3001, "shutdown")

    async def test_many_are_spread(self) -> None:
        """So that they do not all come back in the same moment; other work goes on between them."""
        async with House(node={"drain_timeout": 5.0}) as house:
            callers = [Caller(house.node) for _ in range(100)]
            house.node.drain()
            await until(lambda: any(caller.wire.end for caller in callers))
            told = sum(caller.wire.end is not None for caller in callers)
            assert 0 < told < 100


class TestUsers:
    async def test_subscribe_from_a_position(self, house: House) -> None:
        """What came after it is handed over, behind the announcement and before what is live."""
        ada = await house.caller("ada")
        positions = [(await house.publish("kept:x", number)).position for number in range(3)]
        await house.node.orders.subscribe("ada", "kept:x", GRANT, since=positions[0])
        await house.publish("kept:x", 3)
        assert "subscribe" in ada.pushes[0]
        assert ada.data("kept:x") == [1, 2, 3]

    async def test_one_connection_of_several(self, house: House) -> None:
        first, second = await house.caller("ada", "news"), await house.caller("ada", "news")
        await house.node.orders.subscribe("ada", "more", GRANT, client=first.connection.client_id)
        assert (first.connection.channels, second.connection.channels) == (["news", "more"], ["news"])
        await house.node.orders.unsubscribe("ada", "news", client=second.connection.client_id)
        assert (first.connection.channels, second.connection.channels) == (["news", "more"], [])
        await house.node.orders.refresh("ada", house.clock.now() + 60, client=second.connection.client_id)
        assert [push for push in first.pushes if "refresh" in push] == []
        await house.node.orders.disconnect("ada", client=first.connection.client_id)
        assert (first.wire.end, second.wire.end) == ((3503, "force disconnect"), None)

    async def test_everybody_but_one(self, house: House) -> None:
        """A new login that ends the older sessions spares itself."""
        old, new = await house.caller("ada"), await house.caller("ada")
        await house.node.orders.disconnect("ada", Disconnect(4501, "elsewhere"), spare=[new.connection.client_id])
        assert (old.wire.end, new.wire.end) == ((4501, "elsewhere"), None)

    async def test_a_new_end_for_all(self, house: House) -> None:
        """With what others see of them from now on."""
        ada = await house.caller("ada", "seen:x")
        await house.node.orders.refresh("ada", house.clock.now() + 30, info=b'{"name":"Ada"}')
        assert ada.connection.info == b'{"name":"Ada"}'
        house.clock.advance(60.0)
        ada.connection.wake()
        assert ada.wire.end == (3005, "connection expired")

    async def test_what_fails(self) -> None:
        async with House(channel_limit=1) as house:
            await house.caller("ada", "news")
            with pytest.raises(UnknownChannel):
                await house.node.orders.subscribe("ada", "nowhere:x", GRANT)
            with pytest.raises(LimitExceeded):
                await house.node.orders.subscribe("ada", "more", GRANT)
            await house.node.orders.subscribe("nobody", "more", GRANT)
            await house.node.orders.unsubscribe("nobody", "more")
            await house.node.orders.disconnect("nobody")
            await house.node.orders.refresh("nobody", 0.0)


async def test_binary_data_ends_only_who_cannot_take_it() -> None:
    """A JSON client in a channel that turns binary: 3506 for it, the publication for the others."""
    async with House(insecure=True) as house:
        json, elsewhere, protobuf = (
            await house.caller("ada", "news"),
            await house.caller("bob", "more"),
            Caller(house.node, codec=PROTOBUF),
        )
        protobuf.connection.receive(b"\x04\x08\x01\x22\x00\x0a\x08\x02\x2a\x06\x0a\x04news")
        await until(lambda: len(protobuf.wire.messages) == 2)
        await house.publish("news", b"\xff\x00")
        assert json.wire.end == (3506, "inappropriate protocol")
        assert (
            protobuf.wire.messages[2] == b"\x15\x22\x13\x12\x04news\x22\x0b\x22\x02\xff\x00\x48\x80\xa0\x94\xa5\x8d\x1d"
        )
        assert (protobuf.wire.end, elsewhere.wire.end) == (None, None)
        assert house.node.hub.channels() == {"news": 1, "more": 1}
