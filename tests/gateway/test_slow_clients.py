"""Clients that read more slowly than they are written to: what is held for them, what becomes of it, and of others."""

from __future__ import annotations

from typing import Any

import pytest
from tests.gateway.house import House
from tests.gateway.wire import Wire

from tidings import events
from tidings.gateway.node import Limits

pytestmark = pytest.mark.shell


@pytest.fixture
async def house() -> Any:
    async with House() as house:
        yield house


@pytest.fixture
def paused() -> Wire:
    """A wire with room for the replies to connect and subscribe, and for one publication."""
    return Wire(room=3)


async def test_what_it_cannot_take_is_held(house: House, paused: Wire) -> None:
    """Nothing is written while it is paused; then everything in order, until it asks for another pause."""
    ada = await house.caller("ada", "news", wire=paused)
    bob = await house.caller("bob", "news")
    for number in range(5):
        await house.publish("news", number)
    ada.say('{"id":9,"unsubscribe":{"channel":"none"}}')
    assert (ada.data("news"), bob.data("news")) == ([0], [0, 1, 2, 3, 4])
    ada.wire.drain(room=2)
    assert ada.data("news") == [0, 1, 2]
    ada.wire.drain()
    assert ada.data("news") == [0, 1, 2, 3, 4]
    assert ada.heard[-1] == {"id": 9, "unsubscribe": {}}
    assert ada.connection.outbox.queued_bytes == 0
    await house.publish("news", 5)
    assert ada.data("news")[-1] == 5


async def test_more_than_it_may_hold_ends_the_connection(paused: Wire) -> None:
    """3008 at the first publication beyond the bound; it comes back and recovers. Nobody else is troubled."""
    async with House(limits=Limits(queue_bytes=100)) as house:
        ada = await house.caller("ada", "kept:x", wire=paused)
        bob = await house.caller("bob", "kept:x")
        await house.publish("kept:x", "x" * 10)
        await house.publish("kept:x", "small")
        assert ada.wire.end is None
        assert 0 < ada.connection.outbox.queued_bytes <= 100
        await house.publish("kept:x", "x" * 100)
        assert ada.wire.end == (3008, "slow")
        assert ada.connection.outbox.queued_bytes == 0
        (dropped,) = house.told(events.Dropped)
        assert (dropped.client, dropped.user, dropped.channel) == (ada.connection.client_id, "ada", "kept:x")
        assert (dropped.policy, dropped.count) == ("disconnect", 1)
        await house.publish("kept:x", "after")
        assert bob.data("kept:x") == ["x" * 10, "small", "x" * 100, "after"]
        assert house.node.hub.channels() == {"kept:x": 1}
        assert house.told(events.Delivered)[-1].subscribers == 1


async def test_drop_oldest(paused: Wire) -> None:
    """The oldest publications of the namespace make room; the connection stays."""
    async with House(limits=Limits(queue_bytes=200)) as house:
        ada = await house.caller("ada", "tick:x", wire=paused)
        for number in range(20):
            await house.publish("tick:x", number)
        ada.wire.drain()
        data = ada.data("tick:x")
        assert data == [0, *range(20 - len(data) + 1, 20)]
        assert 2 < len(data) < 19
        assert sum(fact.count for fact in house.told(events.Dropped)) == 20 - len(data)
        assert ada.wire.end is None


async def test_latest() -> None:
    """Of each channel the newest is kept."""
    async with House() as house:
        ada = await house.caller("ada", "last:x", "last:y", wire=Wire(room=4))
        for number in range(5):
            await house.publish("last:x", number)
            await house.publish("last:y", -number)
        ada.wire.drain()
        assert (ada.data("last:x"), ada.data("last:y")) == ([0, 4], [-4])
        assert {(fact.channel, fact.policy) for fact in house.told(events.Dropped)} == {
            ("last:x", "latest"),
            ("last:y", "latest"),
        }


async def test_replies_have_the_same_bound(paused: Wire) -> None:
    """A client that asks and does not read is as slow as one that only does not read."""
    async with House(limits=Limits(queue_bytes=100)) as house:
        ada = await house.caller("ada", "news", wire=paused)
        await house.publish("news", 1)
        for number in range(10):
            ada.say(f'{{"id":{number + 5},"unsubscribe":{{"channel":"none"}}}}')
        assert ada.wire.end == (3008, "slow")
