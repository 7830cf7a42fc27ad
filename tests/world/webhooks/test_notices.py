"""What endpoints are told after the fact: in order, at least once, and never in anybody's way."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest
from tests.world.webhooks.office import Receiver, known, metric, settings, until

from tidings.testing import TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

ROOM = 30
"""Disconnects that may wait in these tests."""


@pytest.fixture(scope="module")
def node(office: Receiver) -> Iterator[TidingsNode]:
    # Both events at one address, so that the receiver sees in which order they came.
    together = {"endpoint": f"{office.url}/hook/ends", "http_headers": ["X-Room"]}
    more: dict[str, Any] = {
        "unsubscribe": together,
        "disconnect": together | {"queue_limit": ROOM},
    }
    with TidingsNode(settings(office, **more)) as node:
        yield node


async def come_and_go(node: TidingsNode, user: str, *channels: str) -> str:
    async with known(node.websocket, user) as client:
        for channel in channels:
            await client.subscribe(channel)
        return client.id


async def test_what_is_told(receiver: Receiver, node: TidingsNode) -> None:
    """Every end of a subscription, then the end of the connection, each with what is needed to tell it from others."""
    began = time.time()
    async with known(node.websocket, headers={"X-Room": "12"}) as client:
        await client.subscribe("free:a")
        await client.subscribe("free:b")
        await client.unsubscribe("free:a")
    ends = await until(lambda: len(calls := receiver.calls("ends")) == 4 and calls)
    bodies = [call["body"] for call in ends]
    who = {"client": client.id, "transport": "websocket", "protocol": "json", "encoding": "json", "user": "ada"}
    assert all(who.items() <= body.items() for body in bodies)
    told = [{name: body[name] for name in body.keys() - who.keys() - {"id", "time_ms"}} for body in bodies]
    assert told[0] == {"channel": "free:a", "code": 0}
    assert sorted(told[1:3], key=lambda one: one["channel"]) == [
        {"channel": "#ada", "code": 0},
        {"channel": "free:b", "code": 0},
    ]
    assert told[3] == {"code": 1000, "reason": ""}
    assert len({body["id"] for body in bodies}) == 4
    assert all(began - 1 < body["time_ms"] / 1000 < time.time() + 1 for body in bodies)
    assert {call["headers"]["x-room"] for call in ends} == {"12"}


async def test_nobody_hears_of_who_never_connected(receiver: Receiver, node: TidingsNode) -> None:
    stranger = known(node.websocket)
    await stranger.open()
    await stranger.leave()
    last = await come_and_go(node, "bob")
    ends = await until(lambda: len(calls := receiver.bodies("ends")) == 2 and calls)
    assert {body["client"] for body in ends} == {last}


async def test_a_back_end_that_was_away_hears_it_all(receiver: Receiver, node: TidingsNode) -> None:
    """In the order of each connection, however often a call fails; twice at worst, and then with the same id."""
    receiver.kill()
    clients = await asyncio.gather(*(come_and_go(node, f"u{n}", "free:a", "free:b", "free:c") for n in range(4)))
    receiver.start()
    receiver.plan("ends", *[{"status": 500}, {"drop": True}, {"hang": True}, {"json": {}}] * 3, {"json": {}})
    await until(lambda: metric(node, 'tidings_webhook_queue_length{event="disconnect"}') == 0)
    ends = receiver.bodies("ends")
    assert len({body["id"] for body in ends}) == 20
    for client in clients:
        own = [body["id"] for body in ends if body["client"] == client]
        in_order = [number for number, _ in groupby(own)]
        assert len(in_order) == len(set(in_order)), "a notice came after one that happened later"
        last = next(body for body in reversed(ends) if body["client"] == client)
        assert "reason" in last, "the end of the connection is not the last thing"


async def test_a_full_queue_gives_up_the_oldest(receiver: Receiver, node: TidingsNode) -> None:
    """Nobody waits for it, it is counted and logged, and the newest arrive."""
    receiver.kill()
    dropped = 'tidings_webhook_dropped_total{event="disconnect",reason="full"}'
    before = metric(node, dropped)
    began = time.monotonic()
    for number in range(ROOM + 10):
        await come_and_go(node, f"user{number}")
    assert time.monotonic() - began < 10
    await until(lambda: metric(node, dropped) - before == 10)
    assert metric(node, 'tidings_webhook_queue_length{event="disconnect"}') == ROOM
    receiver.start()
    ends = await until(lambda: len(ends := [b for b in receiver.bodies("ends") if "reason" in b]) >= ROOM and ends)
    users = Counter(body["user"] for body in ends)
    # One call may have been under way, and is not given up.
    assert len(users.keys() & {f"user{number}" for number in range(11, ROOM + 10)}) == ROOM - 1
    assert "webhook notices dropped" in node.process.log


async def test_what_is_refused_does_not_hold_back_what_comes_later(receiver: Receiver) -> None:
    """It is told again for a time, then logged and counted; what the same client did later arrives after it."""
    receiver.plan("unsubscribe", {"status": 410})
    more: dict[str, Any] = {"unsubscribe": {"retry_for": 0.3}}
    with TidingsNode(settings(receiver, "disconnect", **more)) as node:
        gone = await come_and_go(node, "ada")
        await until(lambda: receiver.bodies("disconnect"))
        assert [body["client"] for body in receiver.bodies("disconnect")] == [gone]
        assert len(receiver.bodies("unsubscribe")) >= 2
        assert len({body["id"] for body in receiver.bodies("unsubscribe")}) == 1
        assert metric(node, 'tidings_webhook_dropped_total{event="unsubscribe",reason="refused"}') == 1
        assert metric(node, 'tidings_webhook_queue_length{event="unsubscribe"}') == 0
        assert node.process.log.count("webhook notices dropped") == 1


async def test_a_back_end_that_cannot_for_long_loses_nothing(receiver: Receiver) -> None:
    """That it is away, or says "not now", ends nothing."""
    receiver.plan("disconnect", {"status": 503})
    with TidingsNode(settings(receiver, disconnect={"retry_for": 0.0})) as node:
        clients = {await come_and_go(node, f"user{number}") for number in range(3)}
        await until(lambda: len(receiver.calls("disconnect")) > 3)
        receiver.kill()
        receiver.start()
        await until(lambda: len(receiver.calls("disconnect")) >= 3)
        assert {body["client"] for body in receiver.bodies("disconnect")} == clients
        assert metric(node, 'tidings_webhook_dropped_total{event="disconnect",reason="refused"}') == 0


async def test_what_it_answers_beside_the_status_is_all_the_same(receiver: Receiver) -> None:
    """However long or packed: the notice has arrived."""
    receiver.plan("disconnect", {"size": 70_000}, {"headers": {"content-encoding": "gzip"}}, {"status": 204})
    with TidingsNode(settings(receiver, "disconnect")) as node:
        for number in range(3):
            await come_and_go(node, f"user{number}")
        await until(lambda: metric(node, 'tidings_webhook_age_seconds_count{event="disconnect"}') == 3)
        assert len(receiver.calls("disconnect")) == 3


async def test_a_node_that_stops_has_time_for_it(receiver: Receiver) -> None:
    """What waits is delivered before the process ends, for as long as the settings say."""
    receiver.plan("disconnect", {"delay": 0.2, "json": {}})
    with TidingsNode(settings(receiver, "disconnect")) as node:
        clients = [known(node.websocket, f"user{number}") for number in range(5)]
        for client in clients:
            await client.connect()
        assert await asyncio.to_thread(node.process.stop) == 0
        assert [body["code"] for body in receiver.bodies("disconnect")] == [3001] * 5
        for client in clients:
            await client.leave()


async def test_a_dead_back_end_does_not_hold_up_the_stop(receiver: Receiver) -> None:
    receiver.plan("disconnect", {"hang": True})
    with TidingsNode(settings(receiver, disconnect={"flush_timeout": 0.5, "timeout": 30.0})) as node:
        await come_and_go(node, "ada")
        await until(lambda: receiver.calls("disconnect"))
        began = time.monotonic()
        assert await asyncio.to_thread(node.process.stop) == 0
        assert time.monotonic() - began < 5
        assert '"reason": "stopped"' in node.process.log
