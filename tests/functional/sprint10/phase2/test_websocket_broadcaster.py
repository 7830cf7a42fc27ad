"""The WebSocket broadcaster of the market-data application: users, their subscriptions, and who is away.

The test cases of the requirement, by its names; see docs/scenarios.md. Where it has a stand-in for the socket server,
here is a `tidings serve` in a process of its own.
"""

from __future__ import annotations

import asyncio

import pytest
from tests.functional.sprint10.phase2.conftest import PATIENCE, Visit, heard, said
from tests.functional.sprint10.phase2.simulator import ALL_PATTERNS, TickStockPLSimulator
from tests.unified.websocket.concurrent import eventually
from tests.world.backend import Backend

pytestmark = [pytest.mark.world, pytest.mark.L3]


def connections(backend: Backend) -> int:
    (node,) = backend.call("info")["nodes"]
    return int(node.get("num_clients", 0))


def present(backend: Backend, channel: str) -> set[str]:
    return {info["user"] for info in backend.call("presence", channel=channel)["presence"].values()}


class TestWebSocketBroadcaster:
    @pytest.mark.smoke
    async def test_user_connection_flow(self, visit: Visit, backend: Backend) -> None:
        """A user connects, subscribes, unsubscribes and leaves, and the node knows it each time."""
        channel = ALL_PATTERNS[0]
        async with visit("ada") as ada:
            assert ada.id
            assert connections(backend) == 1
            await ada.subscribe(channel)
            assert present(backend, channel) == {"ada"}
            await ada.unsubscribe(channel)
            assert present(backend, channel) == set()
        await eventually(lambda: connections(backend) == 0, what="nobody connected")

    async def test_pattern_alert_broadcasting(self, visit: Visit, simulator: TickStockPLSimulator) -> None:
        """Each user hears the patterns that she subscribed to, all of them and in order, and no other."""
        alerts = simulator.patterns(100)
        wanted = {"ada": ALL_PATTERNS[:2], "bob": ALL_PATTERNS[1:4], "eve": []}
        async with visit("ada") as ada, visit("bob") as bob, visit("eve") as eve:
            users = {"ada": ada, "bob": bob, "eve": eve}
            subscriptions = [await users[user].subscribe(channel) for user in users for channel in wanted[user]]
            assert await simulator.publish(alerts) == 100
            for subscription in subscriptions:
                expected = said(alerts, subscription.channel)
                assert expected and await heard(subscription, len(expected)) == expected
            await eve.expect_nothing()

    async def test_offline_message_queueing(self, visit: Visit, simulator: TickStockPLSimulator) -> None:
        """What is published while a user is away waits for her: all of it, once, in order, before what comes later."""
        backtest = simulator.backtest(1)
        before, meanwhile, later = backtest[:2], backtest[2:-1], backtest[-1:]
        async with visit("ada") as ada:
            subscription = await ada.subscribe("backtests:1")
            await simulator.publish(before)
            assert await heard(subscription, len(before)) == said(before, "backtests:1")
            ada.drop()
            await simulator.publish(meanwhile)
            await ada.reconnect()
            assert subscription.recovered
            await simulator.publish(later)
            expected = said([*meanwhile, *later], "backtests:1")
            assert await heard(subscription, len(expected)) == expected
            assert [one.recovered for one in subscription.publications[2:]] == [True] * len(meanwhile) + [False]

    @pytest.mark.parametrize("client_settings", [{"ping_interval": 0.5, "pong_timeout": 0.25}], ids=["soon"])
    async def test_stale_connection_cleanup(self, visit: Visit, backend: Backend) -> None:
        """A connection that does not answer pings is ended and forgotten; one that does is not."""
        async with visit("ada") as ada, visit("bob", answers_pings=False) as bob:
            await bob.subscribe(ALL_PATTERNS[0])
            assert (await bob.expect_closed()).code == 3012
            await eventually(lambda: connections(backend) == 1, what="one connection")
            assert present(backend, ALL_PATTERNS[0]) == set()
            async with asyncio.timeout(PATIENCE):
                while ada.pings < 3:
                    await asyncio.sleep(0.01)
            assert ada.is_open
