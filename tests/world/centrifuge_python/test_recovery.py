"""centrifuge-python: what was missed while the connection was away."""

from __future__ import annotations

import asyncio

import pytest
from centrifuge import PublicationContext, StreamPosition, SubscribedContext, SubscribingContext

from tidings.testing import TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

MANY, STRETCH, INTERRUPTED_AFTER = 200, 50, 10


async def test_what_was_missed_arrives(arrive, backend, proxy, unique):
    """After a cut line everything that was published meanwhile arrives once and in order, then what comes next."""
    ada = await arrive("ada", through=proxy.url)
    channel = await ada.subscribe(f"kept:{unique}", recoverable=True)
    backend.publish(channel.name, 1)
    assert await channel.publications(1) == [1]
    proxy.cut()
    await channel.next(SubscribingContext)
    backend.publish_all(channel.name, [2, 3, 4])
    proxy.mend()
    back = await channel.next(SubscribedContext)
    assert (back.was_recovering, back.recovered) == (True, True)
    backend.publish(channel.name, 5)
    assert await channel.publications(4) == [2, 3, 4, 5]
    assert channel.is_empty


async def test_interruptions(arrive, backend, unique):
    """A client that is sent away again and again, while publications go on, misses none and sees none twice."""
    ada = await arrive(unique)
    channel = await ada.subscribe(f"kept:{unique}", recoverable=True)

    def publish(numbers: range) -> None:
        for number in numbers:
            backend.publish(channel.name, number)

    heard, recoveries = [], []
    for start in range(0, MANY, STRETCH):
        stretch = range(start, start + STRETCH)
        publishing = asyncio.create_task(asyncio.to_thread(publish, stretch))
        while len(heard) < stretch.stop or len(recoveries) <= start // STRETCH:
            event = await channel.next(PublicationContext | SubscribingContext | SubscribedContext)
            if isinstance(event, SubscribedContext):
                recoveries.append(event.recovered)
            elif isinstance(event, PublicationContext):
                heard.append(ada.encoding.decode(event.pub.data))
                if heard[-1] == start + INTERRUPTED_AFTER:
                    await asyncio.to_thread(backend.disconnect, unique, 3011, "force reconnect")
        await publishing
    assert heard == list(range(MANY))
    assert recoveries == [True] * (MANY // STRETCH)
    assert channel.is_empty


async def test_gap_is_told(arrive, backend, proxy, unique):
    """Where more was missed than is kept, the client is told, gets nothing of it, and goes on from the newest."""
    ada = await arrive("ada", through=proxy.url)
    channel = await ada.subscribe(f"brief:{unique}")
    proxy.cut()
    await channel.next(SubscribingContext)
    backend.publish_all(channel.name, range(1, 6))
    proxy.mend()
    back = await channel.next(SubscribedContext)
    assert (back.was_recovering, back.recovered) == (True, False)
    assert back.stream_position.offset == 5
    backend.publish(channel.name, 6)
    assert (await channel.publication()).data == 6


async def test_removed_history_is_a_gap(arrive, backend, proxy, unique):
    """What the back end removed cannot be recovered, and the client is told."""
    ada = await arrive("ada", through=proxy.url)
    channel = await ada.subscribe(f"brief:{unique}")
    proxy.cut()
    await channel.next(SubscribingContext)
    backend.publish(channel.name, "gone")
    backend.call("history_remove", channel=channel.name)
    proxy.mend()
    back = await channel.next(SubscribedContext)
    assert (back.was_recovering, back.recovered) == (True, False)


async def test_server_that_lost_the_stream(arrive, settings, unique):
    """A killed server takes its streams along; the next one says so instead of continuing at the old offsets."""
    async with TidingsNode(settings) as server:
        ada = await arrive("ada", through=server.websocket)
        channel = await ada.subscribe(f"kept:{unique}", recoverable=True)
        server.kill()
        await channel.next(SubscribingContext)
        await asyncio.to_thread(server.restart)
        back = await channel.next(SubscribedContext)
        assert (back.was_recovering, back.recovered) == (True, False)


async def test_state_is_loaded_where_nothing_is_recovered(arrive, backend, proxy, unique):
    """A client that loads its own state is answered 112 after a gap, loads it again, and goes on from there."""
    loaded = []

    async def load(channel: str) -> StreamPosition:
        top = backend.call("history", channel=channel)
        loaded.append(top.get("offset", 0))
        return StreamPosition(loaded[-1], top["epoch"])

    ada = await arrive("ada", through=proxy.url)
    channel = await ada.subscribe(f"brief:{unique}", get_state=load)
    proxy.cut()
    await channel.next(SubscribingContext)
    backend.publish_all(channel.name, range(1, 6))
    proxy.mend()
    await channel.skip_to(SubscribedContext)
    assert loaded == [0, 5]
    backend.publish(channel.name, 6)
    assert (await channel.publication()).data == 6
