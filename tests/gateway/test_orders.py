"""Orders reach a user's connections on whichever node they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.gateway.town import Town
from tests.gateway.wire import turn

from tidings import events
from tidings.errors import BrokerUnavailable, LimitExceeded
from tidings.gateway.grants import SubscriptionGrant
from tidings.wire.centrifuge.messages import Disconnect

pytestmark = pytest.mark.shell

GRANT = SubscriptionGrant()


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with Town() as town:
        yield town


class TestDisconnect:
    async def test_all_of_a_user(self, town: Town) -> None:
        """With the code and reason of the order; others stay."""
        here, there, bob = await town.here.caller(), await town.there.caller(), await town.there.caller("bob")
        await town.here.node.orders.disconnect("ada", Disconnect(4501, "enough"))
        assert (here.wire.end, there.wire.end, bob.wire.end) == ((4501, "enough"), (4501, "enough"), None)

    async def test_one_connection(self, town: Town) -> None:
        here, there, other = await town.here.caller(), await town.there.caller(), await town.there.caller()
        await town.here.node.orders.disconnect("ada", client=there.connection.client_id)
        assert (here.wire.end, there.wire.end, other.wire.end) == (None, (3503, "force disconnect"), None)

    async def test_all_but_some(self, town: Town) -> None:
        """A new login that ends all others spares itself, wherever it is."""
        here, there, new = await town.here.caller(), await town.there.caller(), await town.there.caller()
        await town.here.node.orders.disconnect("ada", spare=[new.connection.client_id])
        assert [one.wire.end is None for one in (here, there, new)] == [False, False, True]


class TestSubscribe:
    async def test_all_of_a_user(self, town: Town) -> None:
        """They are told, and hear what is published from then on; who is subscribed already stays as it is."""
        here, there = await town.here.caller(), await town.there.caller()
        again, bob = await town.there.caller("ada", "news"), await town.there.caller("bob")
        await town.here.node.orders.subscribe("ada", "news", GRANT)
        await town.there.node.orders.wait_idle()
        await town.here.publish("news", 1)
        assert [one.data("news") for one in (here, there, again, bob)] == [[1], [1], [1], []]
        assert [push for push in there.pushes if "subscribe" in push] == [{"channel": "news", "subscribe": {}}]
        assert [push for push in again.pushes if "subscribe" in push] == []
        assert town.there.told(events.CommandFailed) == []

    async def test_one_connection(self, town: Town) -> None:
        here, there, other = await town.here.caller(), await town.there.caller(), await town.there.caller()
        await town.here.node.orders.subscribe("ada", "news", GRANT, client=there.connection.client_id)
        await town.there.node.orders.wait_idle()
        assert [one.connection.channels for one in (here, there, other)] == [[], ["news"], []]

    async def test_from_a_position(self, town: Town) -> None:
        """What came after it is handed over there as it is here."""
        here, there = await town.here.caller(), await town.there.caller()
        first = (await town.here.publish("kept:x", 0)).position
        await town.there.publish("kept:x", 1)
        await town.here.node.orders.subscribe("ada", "kept:x", GRANT, since=first)
        await town.there.node.orders.wait_idle()
        await town.here.publish("kept:x", 2)
        assert (here.data("kept:x"), there.data("kept:x")) == ([1, 2], [1, 2])

    async def test_what_was_granted(self, town: Town) -> None:
        """Data for the client, and what others see of it."""
        there = await town.there.caller()
        grant = SubscriptionGrant(info=b'{"seat":4}', data=b'{"welcome":true}')
        await town.here.node.orders.subscribe("ada", "seen:x", grant)
        await town.there.node.orders.wait_idle()
        (told,) = [push["subscribe"] for push in there.pushes if "subscribe" in push]
        assert told["data"] == {"welcome": True}
        (seen,) = (await town.here.node.hub.presence("seen:x")).values()
        assert (seen.user, seen.chan_info) == ("ada", b'{"seat":4}')

    async def test_what_fails_there_is_announced_there(self) -> None:
        """Nobody waits who could be told; here it is raised."""
        async with Town(channel_limit=1) as town:
            there = await town.there.caller("ada", "news")
            await town.here.node.orders.subscribe("ada", "more", GRANT)
            await town.there.node.orders.wait_idle()
            (failure,) = town.there.told(events.CommandFailed)
            assert (failure.method, type(failure.error)) == ("subscribe", LimitExceeded)
            assert there.connection.channels == ["news"]


class TestUnsubscribe:
    async def test_one_channel(self, town: Town) -> None:
        here, there = await town.here.caller("ada", "news", "more"), await town.there.caller("ada", "news", "more")
        await town.here.node.orders.unsubscribe("ada", "news")
        await town.there.node.orders.wait_idle()
        assert (here.connection.channels, there.connection.channels) == (["more"], ["more"])
        assert there.pushes[-1] == {
            "channel": "news",
            "unsubscribe": {"code": 2000, "reason": "server unsubscribe"},
        }

    async def test_all_channels_of_one_connection(self, town: Town) -> None:
        there, other = await town.there.caller("ada", "news", "more"), await town.there.caller("ada", "news")
        await town.here.node.orders.unsubscribe("ada", "", client=there.connection.client_id)
        await town.there.node.orders.wait_idle()
        assert (there.connection.channels, other.connection.channels) == ([], ["news"])

    @pytest.mark.parametrize("channel", ["news", ""])
    async def test_orders_are_carried_out_in_turn(self, town: Town, channel: str) -> None:
        """Whoever is subscribed and then unsubscribed is not subscribed, though subscribing takes its time."""
        here, there = await town.here.caller(), await town.there.caller()
        await town.here.node.orders.subscribe("ada", "news", GRANT)
        await town.here.node.orders.unsubscribe("ada", channel)
        await town.there.node.orders.wait_idle()
        assert (here.connection.channels, there.connection.channels) == ([], [])


class TestRefresh:
    async def test_a_new_end(self, town: Town) -> None:
        """The clients are told how long they have, and end then."""
        callers = [await house.caller() for house in town.houses]
        await town.here.node.orders.refresh("ada", town.clock.now() + 30)
        for caller in callers:
            assert caller.pushes[-1] == {"refresh": {"expires": True, "ttl": 30}}
        town.clock.advance(60.0)
        for caller in callers:
            caller.connection.wake()
            assert caller.wire.end == (3005, "connection expired")

    async def test_one_connection(self, town: Town) -> None:
        """And what others see of it from now on."""
        there, other = await town.there.caller(), await town.there.caller()
        await town.here.node.orders.refresh("ada", None, client=there.connection.client_id, info=b'{"name":"Ada"}')
        assert (there.connection.info, other.connection.info) == (b'{"name":"Ada"}', b"")
        assert there.pushes == []


class TestBrokerAway:
    ORDERS: Any = (
        lambda orders: orders.disconnect("ada"),
        lambda orders: orders.subscribe("ada", "more", GRANT),
        lambda orders: orders.unsubscribe("ada", "news", client="somebody"),
        lambda orders: orders.refresh("ada", 0.0),
    )

    @pytest.mark.parametrize("order", ORDERS, ids=["disconnect", "subscribe", "unsubscribe", "refresh"])
    async def test_an_order_that_others_cannot_hear_is_no_success(self, town: Town, order: Any) -> None:
        await town.here.caller("ada", "news", "more")
        await town.here.node.hub.stop()
        with pytest.raises(BrokerUnavailable):
            await order(town.here.node.orders)

    async def test_it_is_carried_out_here_all_the_same(self, town: Town) -> None:
        ada = await town.here.caller("ada")
        await town.here.node.hub.stop()
        with pytest.raises(BrokerUnavailable):
            await town.here.node.orders.disconnect("ada")
        assert ada.wire.end == (3503, "force disconnect")


async def test_nobody_hears_their_own_order_twice(town: Town) -> None:
    """A broker hands a node what it has sent itself, too."""
    ada = await town.here.caller("ada", "kept:x")
    await town.here.node.orders.refresh("ada", town.clock.now() + 30)
    await turn()
    assert len([push for push in ada.pushes if "refresh" in push]) == 1
