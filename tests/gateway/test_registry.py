"""What the broker knows of the connections of all nodes: told in batches, counted, limited, forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
from tests.gateway.house import House
from tests.gateway.town import Town
from tests.gateway.wire import Caller, turn, until

from tidings.brokers.base import NO_GUARD, Accepted, Guard, Receiver
from tidings.brokers.memory import MemoryBackend, MemoryBroker
from tidings.channels.options import Override
from tidings.clock import ManualClock
from tidings.errors import BrokerUnavailable, NotAvailable
from tidings.gateway.application import NoApplication
from tidings.gateway.client import Client
from tidings.gateway.grants import ConnectionGrant, SubscriptionGrant
from tidings.gateway.node import Limits
from tidings.model import ClientInfo, Publication
from tidings.wire.centrifuge.messages import ConnectRequest

pytestmark = pytest.mark.shell

GRANT = SubscriptionGrant()
LEASE = 30.0
TWO = Limits(connections_per_user=2)


class Watched(MemoryBroker):
    """Remembers what it was told of connections, can be away for that, and waits with arrivals while it is `busy`."""

    def __init__(self, clock: ManualClock, backend: MemoryBackend) -> None:
        super().__init__(clock, backend)
        self.calls: list[Mapping[str, bytes]] = []
        self.failures = 0
        self.arriving = 0
        self.idle = asyncio.Event()
        self.idle.set()

    async def show(self, node: str, changes: Mapping[str, bytes], lease: float) -> None:
        if self.failures:
            self.failures -= 1
            raise BrokerUnavailable
        self.calls.append(changes)
        await super().show(node, changes, lease)

    async def arrive(self, user: str, client: str, lease: float, *, limit: int = 0) -> bool:
        self.arriving += 1
        await self.idle.wait()
        return await super().arrive(user, client, lease, limit=limit)


class OnlyCarries:
    """A broker that does what each has to do, and nothing more."""

    def __init__(self) -> None:
        self._broker = MemoryBroker(ManualClock())

    async def start(self, receiver: Receiver) -> None:
        await self._broker.start(receiver)

    async def stop(self) -> None:
        await self._broker.stop()

    async def reach(self) -> None:
        await self._broker.reach()

    async def subscribe(self, channel: str) -> None:
        await self._broker.subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        await self._broker.unsubscribe(channel)

    async def publish(self, channel: str, publication: Publication, *, guard: Guard = NO_GUARD) -> Accepted:
        return await self._broker.publish(channel, publication, guard=guard)

    async def publish_join(self, channel: str, info: ClientInfo) -> None:
        await self._broker.publish_join(channel, info)

    async def publish_leave(self, channel: str, info: ClientInfo) -> None:
        await self._broker.publish_leave(channel, info)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with Town(make=Watched) as town:
        yield town


def watched(town: Town) -> Watched:
    assert isinstance(town.broker, Watched)
    return town.broker


def entry(town: Town, caller: Caller) -> dict[str, Any]:
    """What is shown of a connection, {} while nothing is."""
    house = next(house for house in town.houses if house.node is caller.node)
    shown = town.shown(house).get(caller.connection.client_id)
    return msgspec.json.decode(shown) if shown else {}


class TestShown:
    async def test_who_is_there(self, town: Town) -> None:
        """Whose it is, since when, and what it listens to."""
        ada = await town.there.caller("ada", "news", "kept:x")
        await until(lambda: entry(town, ada).get("channels") == ["news", "kept:x"])
        assert entry(town, ada) == {"user": "ada", "since": town.clock.now(), "channels": ["news", "kept:x"]}

    async def test_changes_are_shown(self, town: Town) -> None:
        ada = await town.there.caller("ada", "news")
        await ada.ask({"unsubscribe": {"channel": "news"}})
        await ada.subscribe("more")
        await until(lambda: entry(town, ada).get("channels") == ["more"])

    async def test_who_left_is_not_shown(self, town: Town) -> None:
        ada, bob = await town.there.caller("ada", "news"), await town.there.caller("bob")
        await until(lambda: len(town.shown(town.there)) == 2)
        ada.wire.lose()
        await until(lambda: town.shown(town.there).keys() == {bob.connection.client_id})

    async def test_changes_are_told_together(self, town: Town) -> None:
        """A hundred who come in the same moment are one call, and not three hundred."""
        for number in range(100):
            await town.there.caller(f"user-{number}", "news", "more")
        await until(lambda: len(town.shown(town.there)) == 100)
        assert sum(map(len, watched(town).calls)) < 150
        assert len(watched(town).calls) <= 5

    async def test_a_client_that_comes_and_goes_at_once_leaves_nothing(self, town: Town) -> None:
        ada = await town.there.caller("ada", "news")
        ada.wire.lose()
        await until(lambda: watched(town).calls)
        assert town.shown(town.there) == {}

    async def test_what_could_not_be_told_is_told_with_the_next_change(self, town: Town) -> None:
        watched(town).failures = 1
        ada = await town.there.caller("ada")
        await until(lambda: not watched(town).failures)
        bob = await town.there.caller("bob")
        await until(lambda: entry(town, ada) and entry(town, bob))

    async def test_all_is_told_anew_when_the_broker_has_forgotten(self, town: Town) -> None:
        ada = await town.there.caller("ada", "news")
        await until(lambda: entry(town, ada))
        town.clock.advance(LEASE)
        assert (town.shown(town.there), town.clients("ada")) == ({}, set())
        await town.there.node._premises.registry.assert_again()
        await until(lambda: entry(town, ada).get("channels") == ["news"])
        await town.counted("ada", ada)

    async def test_it_ends_with_the_lease_of_its_node(self, town: Town) -> None:
        """One that still gives signs of life is shown on."""
        ada, bob = await town.here.caller("ada"), await town.there.caller("bob")
        await until(lambda: entry(town, ada) and entry(town, bob))
        town.clock.advance(LEASE - 1)
        await town.there.node._premises.registry.renew()
        town.clock.advance(2)
        assert (entry(town, ada), town.clients("ada")) == ({}, set())
        assert entry(town, bob)["user"] == "bob"
        await town.counted("bob", bob)

    async def test_nothing_is_left_of_a_node_that_stopped(self, town: Town) -> None:
        for number in range(3):
            await town.there.caller(f"user-{number}", "news")
        await until(lambda: len(town.shown(town.there)) == 3)
        await town.there.node.stop()
        assert town.shown(town.there) == {}
        assert [town.clients(f"user-{number}") for number in range(3)] == [set()] * 3


class TestLimit:
    async def test_it_holds_over_all_nodes(self) -> None:
        """One too many ends with 3504 wherever it comes; who leaves makes room; others are not affected."""
        async with Town(limits=TWO) as town:
            first, second = await town.here.caller("ada"), await town.there.caller("ada")
            for house in town.houses:
                third = Caller(house.node)
                third.arrive("ada")
                assert await third.ended() == (3504, "connection limit")
            bob = await town.there.caller("bob")
            first.wire.lose()
            await town.counted("ada", second)
            fourth = await town.there.caller("ada")
            await town.counted("ada", second, fourth)
            assert bob.wire.end is None

    async def test_anonymous_clients_are_not_one_person(self) -> None:
        async with Town(limits=TWO, anonymous=True) as town:
            for house in town.houses * 2:
                assert "connect" in await Caller(house.node).connect()

    async def test_renewing_counts_nobody_twice(self) -> None:
        async with Town(limits=TWO) as town:
            callers = [await house.caller("ada") for house in town.houses]
            for house in town.houses:
                await house.node._premises.registry.renew()
            await town.counted("ada", *callers)

    async def test_connections_of_a_dead_node_make_room_within_a_lease(self) -> None:
        async with Town(limits=TWO) as town:
            for _ in range(2):
                await town.there.caller("ada")
            refused = Caller(town.here.node)
            refused.arrive("ada")
            assert (await refused.ended())[0] == 3504
            town.clock.advance(LEASE)
            await town.here.caller("ada")

    async def test_who_was_refused_leaves_nothing(self) -> None:
        """Neither here nor at the broker, and no application hears of the end of who never was there."""
        ends: list[str] = []

        class Listening(NoApplication):
            def hears_ends(self) -> bool:
                return True

            async def disconnected(self, client: Client, code: int, reason: str) -> None:
                ends.append(client.id)

        async with Town(limits=TWO, application=Listening()) as town:
            callers = [await town.here.caller("ada") for _ in range(2)]
            refused = Caller(town.there.node)
            refused.arrive("ada")
            await refused.ended()
            await until(lambda: not town.there.node.connections)
            await town.there.node._premises.notices.wait_idle()
            await town.counted("ada", *callers)
            assert (len(town.there.node.users), ends) == (0, [])

    async def test_while_the_broker_is_away_nobody_can_be_counted(self) -> None:
        """With a limit that is an answer of its own, to be tried again; nobody is let in uncounted."""
        async with Town(limits=TWO) as town:
            await town.there.node.hub.stop()
            ada = Caller(town.there.node)
            reply = await ada.connect("ada")
            assert (reply["error"]["code"], reply["error"]["temporary"]) == (100, True)
            assert len(town.there.node.users) == 0


@pytest.mark.parametrize("limits", [Limits(), TWO], ids=["without a limit", "with a limit"])
class TestDepartureRaces:
    """Whoever is gone is counted no more, whatever was under way."""

    async def test_lost_while_it_arrives(self, limits: Limits) -> None:
        async with Town(make=Watched, limits=limits) as town:
            watched(town).idle.clear()
            ada = Caller(town.there.node)
            ada.arrive("ada")
            await until(lambda: watched(town).arriving)
            ada.wire.lose()
            await turn()
            watched(town).idle.set()
            await until(lambda: not town.there.node._premises.tasks)
            await town.counted("ada")
            assert len(town.there.node.users) == 0

    async def test_sent_away_while_it_arrives(self, limits: Limits) -> None:
        async with Town(make=Watched, limits=limits) as town:
            watched(town).idle.clear()
            ada = Caller(town.there.node)
            ada.arrive("ada")
            await until(lambda: watched(town).arriving)
            await town.here.node.orders.disconnect("ada")
            await until(lambda: ada.wire.end)
            watched(town).idle.set()
            await until(lambda: not town.there.node._premises.tasks)
            await town.counted("ada")

    async def test_lost_while_its_lease_is_renewed(self, limits: Limits) -> None:
        """The renewal may reach the broker after the departure."""
        async with Town(make=Watched, limits=limits) as town:
            ada = await town.there.caller("ada")
            await town.counted("ada", ada)
            watched(town).idle.clear()
            before = watched(town).arriving
            renewing = asyncio.create_task(town.there.node._premises.registry.renew())
            await until(lambda: watched(town).arriving > before)
            ada.wire.lose()
            await town.counted("ada")
            watched(town).idle.set()
            await renewing
            await town.counted("ada")

    async def test_the_node_stops_while_it_arrives(self, limits: Limits) -> None:
        async with Town(make=Watched, limits=limits) as town:
            watched(town).idle.clear()
            ada = Caller(town.there.node)
            ada.arrive("ada")
            await until(lambda: watched(town).arriving)
            stopping = asyncio.create_task(town.there.node.stop())
            await until(lambda: ada.wire.end)
            watched(town).idle.set()
            await stopping
            await town.counted("ada")


class TestKept:
    async def keep(self, town: Town, channel: str, grant: SubscriptionGrant = GRANT) -> None:
        await town.here.node.orders.subscribe("ada", channel, grant, persist=True)

    async def test_it_comes_back_on_any_node(self, town: Town) -> None:
        """Whether or not the user was there when it was ordered."""
        await self.keep(town, "kept:x", SubscriptionGrant(data=b'{"welcome":true}'))
        for house in (town.there, town.here, town.there):
            ada = Caller(house.node)
            subs = (await ada.connect("ada"))["connect"]["subs"]
            assert subs["kept:x"]["data"] == {"welcome": True}
            await house.publish("kept:x", 1)
            assert ada.data("kept:x") == [1]
            ada.wire.lose()

    async def test_it_recovers(self, town: Town) -> None:
        """What was missed between two connections is handed over with the reply."""
        await self.keep(town, "kept:x")
        position = (await town.here.publish("kept:x", 0)).position
        await town.there.publish("kept:x", 1)
        recover = {"kept:x": {"recover": True, "offset": position.offset, "epoch": position.epoch}}
        told = (await Caller(town.there.node).connect("ada", subs=recover))["connect"]["subs"]["kept:x"]
        assert (told["recovered"], [one["data"] for one in told["publications"]]) == (True, [1])

    async def test_it_is_kept_until_the_user_is_unsubscribed(self, town: Town) -> None:
        await self.keep(town, "news")
        await self.keep(town, "more")
        await town.there.node.orders.unsubscribe("ada", "news")
        assert (await town.there.caller("ada")).connection.channels == ["more"]
        await town.there.node.orders.unsubscribe("ada", "")
        assert (await town.here.caller("ada")).connection.channels == []

    async def test_unsubscribing_one_connection_is_not_for_ever(self, town: Town) -> None:
        await self.keep(town, "news")
        ada = await town.there.caller("ada")
        await town.here.node.orders.unsubscribe("ada", "news", client=ada.connection.client_id)
        await town.there.node.orders.wait_idle()
        assert ada.connection.channels == []
        assert (await town.there.caller("ada")).connection.channels == ["news"]

    async def test_it_is_one_users(self, town: Town) -> None:
        await self.keep(town, "news")
        assert (await town.there.caller("bob")).connection.channels == []

    async def test_what_has_expired_does_not_come_back(self, town: Town) -> None:
        await self.keep(town, "news", SubscriptionGrant(expire_at=town.clock.now() + 60))
        await self.keep(town, "more", SubscriptionGrant(expire_at=town.clock.now() + 600))
        town.clock.advance(60)
        assert (await town.there.caller("ada")).connection.channels == ["more"]

    async def test_a_namespace_that_is_no_more_is_passed_over(self, town: Town) -> None:
        """The settings may have changed since; the user connects all the same."""
        await town.broker.keep("ada", "gone:x", msgspec.msgpack.encode(GRANT))
        await self.keep(town, "news")
        assert (await town.there.caller("ada")).connection.channels == ["news"]

    async def test_terms_that_nobody_can_read_are_passed_over(self, town: Town) -> None:
        """Another version may have written them, or somebody else."""
        for number, terms in enumerate(
            (b"", b"\xc1", msgspec.msgpack.encode({"expire_at": "soon"}), b"\x81\xa4info\x01")
        ):
            await town.broker.keep("ada", f"odd-{number}", terms)
        await self.keep(town, "news")
        assert (await town.there.caller("ada")).connection.channels == ["news"]

    async def test_no_more_than_a_connection_may_have(self) -> None:
        """What the token grants comes first; the rest is passed over, and the user connects all the same."""

        class Granting(NoApplication):
            def handles_connect(self) -> bool:
                return True

            async def connect(
                self, client: Client, request: ConnectRequest, grant: ConnectionGrant | None
            ) -> ConnectionGrant | None:
                return ConnectionGrant("ada", channels={"granted": GRANT})

        async with Town(channel_limit=3, application=Granting()) as town:
            for number in range(5):
                await town.here.node.orders.subscribe("ada", f"kept-{number}", GRANT, persist=True)
            ada = await town.there.caller("ada")
            assert (len(ada.connection.channels), ada.connection.channels[0]) == (3, "granted")

    async def test_what_the_token_grants_is_not_replaced(self, town: Town) -> None:
        """The same channel, kept and granted, is one subscription, on the terms of the grant."""
        await self.keep(town, "seen:x", SubscriptionGrant(info=b'"kept"', override=Override(presence=True)))
        ada = await town.there.caller("ada")
        (seen,) = (await town.here.node.hub.presence("seen:x")).values()
        assert (seen.client, seen.chan_info) == (ada.connection.client_id, b'"kept"')


class TestLesserBrokers:
    """A broker that keeps nothing of this is a broker all the same."""

    async def test_everybody_may_come(self) -> None:
        async with House(broker=OnlyCarries(), limits=TWO) as house:
            first, second = await house.caller("ada", "news"), await house.caller("ada")
            third = Caller(house.node)
            third.arrive("ada")
            assert (await third.ended())[0] == 3504
            await house.publish("news", 1)
            assert first.data("news") == [1]
            await house.node.orders.disconnect("ada")
            assert second.wire.end == (3503, "force disconnect")

    async def test_it_keeps_no_subscriptions(self) -> None:
        """Which is said, before anybody is subscribed."""
        async with House(broker=OnlyCarries()) as house:
            ada = await house.caller("ada")
            with pytest.raises(NotAvailable, match="keeps no subscriptions"):
                await house.node.orders.subscribe("ada", "news", GRANT, persist=True)
            assert ada.connection.channels == []
            await house.node.orders.unsubscribe("ada", "news")
