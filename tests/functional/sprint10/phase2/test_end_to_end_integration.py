"""The market-data application from its producer to its users: events of all kinds, each to whom it concerns.

The test cases of the requirement, by its names; see docs/scenarios.md. Events come in by the HTTP API.
"""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest
from tests.functional.sprint10.phase2.conftest import PATIENCE, Visit, heard, said
from tests.functional.sprint10.phase2.simulator import ALL_PATTERNS, TickStockPLSimulator
from tests.world.backend import KEY, token

from tidings.testing import ChannelRules, History, ManyClients, Observer, Recorder, Rules, TidingsNode, check
from tidings.testing.clients import CentrifugeScript
from tidings.testing.delivery import stamped
from tidings.testing.plugin.measured import Measured

pytestmark = [pytest.mark.world, pytest.mark.L3]

REQUIRED = 20
"""Events a second in a burst, as the requirement has it."""


class TestEndToEndIntegration:
    @pytest.mark.smoke
    async def test_complete_pattern_alert_flow(self, visit: Visit, simulator: TickStockPLSimulator) -> None:
        """An alert is made, published, and heard by who subscribed to its pattern, with all that it says."""
        (alert,) = simulator.patterns(1)
        other = next(channel for channel in ALL_PATTERNS if channel != alert.channel)
        async with visit("ada") as ada, visit("bob") as bob:
            watched = await ada.subscribe(alert.channel)
            unconcerned = await bob.subscribe(other)
            assert await simulator.publish([alert]) == 1
            (told,) = await heard(watched, 1)
            assert told == said([alert], alert.channel)[0]
            assert {"type", "symbol", "pattern", "direction", "confidence", "price"} <= set(told)
            await unconcerned.expect_nothing()

    async def test_complete_backtesting_workflow(self, visit: Visit, simulator: TickStockPLSimulator) -> None:
        """Progress comes in order from 0 to 100, then the result, to everybody who is connected."""
        backtest = simulator.backtest(1)
        async with visit("ada") as ada, visit("bob") as bob:
            subscriptions = [await user.subscribe("backtests:1") for user in (ada, bob)]
            await simulator.publish(backtest)
            for subscription in subscriptions:
                told = await heard(subscription, len(backtest))
                assert told == said(backtest, "backtests:1")
                *progress, result = told
                assert [one["type"] for one in progress] == ["backtest_progress"] * (len(backtest) - 1)
                percents = [one["progress"] for one in progress]
                assert percents == sorted(percents) and (percents[0], percents[-1]) == (0, 100)
                assert (result["type"], result["status"]) == ("backtest_result", "completed")

    async def test_mixed_event_types_concurrent_processing(self, visit: Visit, simulator: TickStockPLSimulator) -> None:
        """Patterns, two backtests and the services' health at the same time: each channel has its own, in order."""
        kinds = [simulator.patterns(60), simulator.backtest(1), simulator.backtest(2), simulator.health(40)]
        channels = sorted({event.channel for events in kinds for event in events})
        async with visit("ada") as ada:
            subscriptions = [await ada.subscribe(channel) for channel in channels]
            await asyncio.gather(*(simulator.publish(events) for events in kinds))
            for subscription in subscriptions:
                expected = said([event for events in kinds for event in events], subscription.channel)
                assert await heard(subscription, len(expected)) == expected

    async def test_high_throughput_event_processing(
        self, node: TidingsNode, simulator: TickStockPLSimulator, measured: Measured
    ) -> None:
        """A hundred events, as fast as they can be published, come to everybody whole and in order."""
        alerts = simulator.patterns(100)
        script = CentrifugeScript(*ALL_PATTERNS, token=token("ada"))
        async with ManyClients(10, node.websocket, script=script) as crowd:
            began = time.monotonic()
            await simulator.publish(alerts)
            await crowd.wait_all(100, timeout=PATIENCE)
            per_second = 100 / (time.monotonic() - began)
            assert (crowd.violations, crowd.missed, crowd.failures) == (0, 0, [])
        measured.ratio("throughput", per_second / REQUIRED, at_least=1.0, to=f"{REQUIRED} events a second")

    async def test_every_alert_arrives_and_nobody_hears_what_is_not_hers(self, visit: Visit, node: TidingsNode) -> None:
        """Proved by the checker, over a run in which one user comes and goes."""
        history = History()
        observer, recorder = Observer(history), Recorder(history)
        rules = Rules(channels={"patterns:doji": ChannelRules(history=True, allowed=frozenset({"ada"}))})
        async with (
            httpx2.AsyncClient(base_url=node.url, headers={"X-API-Key": KEY}, timeout=PATIENCE) as http,
            visit("ada", on_frame=observer.of("ada", "ada")) as ada,
        ):

            async def call(channel: str, data: object) -> object:
                answer = await http.post("/api/publish", json={"channel": channel, "data": data})
                return answer.raise_for_status().json()

            publish = recorder.publisher(call)
            doji = await ada.subscribe("patterns:doji")
            for number in range(60):
                if number in (20, 40):
                    ada.drop()
                await publish("patterns:doji", stamped(f"alert-{number}", number=number))
                if number in (30, 50):
                    await ada.reconnect()
            await doji.collect(60)
        check(history, rules).raise_if_broken()
