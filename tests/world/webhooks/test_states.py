"""Who is told that a channel is occupied or vacated: once for all nodes, when it lasts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.world.webhooks.office import Receiver, known, settings, until

from tidings.testing import TidingsCluster

pytestmark = [pytest.mark.world, pytest.mark.L3]

DEBOUNCE = 0.2


@pytest.fixture(scope="module")
def cluster(office: Receiver) -> Iterator[TidingsCluster]:
    at_once = {"debounce": DEBOUNCE}
    wanted = settings(office, state=at_once)
    namespaces = wanted["channels"]["namespaces"]
    namespaces["app"] |= {"allow_subscribe_for_client": True}
    with TidingsCluster(2, wanted) as cluster:
        yield cluster


def told(receiver: Receiver) -> list[tuple[str, str]]:
    return [(event["channel"], event["type"]) for body in receiver.bodies("state") for event in body["events"]]


async def nothing_is_left(receiver: Receiver) -> None:
    """Wait until all that was occupied is vacated, so that tests do not hear of each other's channels."""
    await until(lambda: Counter(told(receiver)).total() % 2 == 0 and {*told(receiver)} == {*opposite(told(receiver))})


def opposite(states: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(channel, "vacated" if what == "occupied" else "occupied") for channel, what in states]


async def test_the_first_comes_and_the_last_goes(receiver: Receiver, cluster: TidingsCluster) -> None:
    """On whichever node; those between them are not told of, nor are other namespaces."""
    here, there = (node.websocket for node in cluster.nodes)
    async with known(here) as ada, known(there, "bob") as bob, known(there, "carol") as carol:
        await ada.subscribe("app:a")
        await ada.subscribe("free:a")
        await until(lambda: told(receiver) == [("app:a", "occupied")])
        await bob.subscribe("app:a")
        await bob.subscribe("app:b")
        await until(lambda: ("app:b", "occupied") in told(receiver))
        await ada.leave()
        await carol.subscribe("app:c")
        await until(lambda: ("app:c", "occupied") in told(receiver))
        assert len(told(receiver)) == 3
        await bob.leave()
        await until(lambda: {("app:a", "vacated"), ("app:b", "vacated")} <= set(told(receiver)))
    await until(lambda: len(told(receiver)) == 6)
    (body, *_) = receiver.bodies("state")
    assert body.keys() == {"id", "events"}
    assert body["events"][0].keys() == {"time_ms", "channel", "type"}


async def test_both_at_the_same_moment(receiver: Receiver, cluster: TidingsCluster) -> None:
    """Only one of the nodes says so."""
    here, there = (node.websocket for node in cluster.nodes)
    channels = [f"app:{number}" for number in range(20)]
    async with known(here) as ada, known(there, "bob") as bob:
        for channel in channels:
            await asyncio.gather(ada.subscribe(channel), bob.subscribe(channel))
        await ada.subscribe("app:last")
        await until(lambda: ("app:last", "occupied") in told(receiver))
        await until(lambda: len(told(receiver)) == 21)
        await asyncio.gather(ada.leave(), bob.leave())
    await until(lambda: len(told(receiver)) == 42)
    for channel in channels:
        assert [what for name, what in told(receiver) if name == channel] == ["occupied", "vacated"]


async def test_what_does_not_last_is_not_told(receiver: Receiver, cluster: TidingsCluster) -> None:
    async with known(cluster.nodes[0].websocket) as ada:
        await ada.subscribe("app:short")
        await ada.unsubscribe("app:short")
        await ada.subscribe("app:long")
        await until(lambda: told(receiver) == [("app:long", "occupied")])
        await ada.unsubscribe("app:long")
        await ada.subscribe("app:long")
        await ada.subscribe("app:other")
        await until(lambda: told(receiver) == [("app:long", "occupied"), ("app:other", "occupied")])
    await nothing_is_left(receiver)


async def test_a_node_that_stops_says_what_it_knows(receiver: Receiver, cluster: TidingsCluster) -> None:
    """Not that a channel is vacated which has subscribers elsewhere."""
    here, there = cluster.nodes
    async with known(here.websocket) as ada, known(there.websocket, "bob") as bob:
        await ada.subscribe("app:shared")
        await bob.subscribe("app:shared")
        await bob.subscribe("app:alone")
        await until(lambda: len(told(receiver)) == 2)
        await asyncio.to_thread(there.restart)
        await until(lambda: ("app:alone", "vacated") in told(receiver))
        assert ("app:shared", "vacated") not in told(receiver)
        await ada.leave()
        await until(lambda: ("app:shared", "vacated") in told(receiver))
