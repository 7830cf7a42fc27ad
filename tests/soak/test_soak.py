"""Two nodes on one Redis under faults, and the proof that no promise was broken.

A minute in `make test`; `make soak` takes ten (`TIDINGS_SOAK_SECONDS`). The faults come in rounds: each round has every
one of them, and the schedule fails the test if one did not strike.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack

import httpx2
import pytest
from tests.soak.listener import Listener
from tests.world.backend import token
from tests.world.settings import KEY, SECRET

from tidings.errors import TidingsError
from tidings.testing import (
    ChannelRules,
    FaultProxy,
    FaultSchedule,
    History,
    Observer,
    Recorder,
    RedisServer,
    Rules,
    TidingsNode,
    check,
)
from tidings.testing.delivery import stamped
from tidings.testing.faults import At, Cut, Fault, Inject, Kill, KillClients, Pause, PauseClients, Timeout

SECONDS = float(os.environ.get("TIDINGS_SOAK_SECONDS", "60"))
pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.resilience, pytest.mark.timeout(SECONDS + 180)]

ROUND = 50.0
"""Seconds for every fault once, and a while to recover from each."""

CLIENTS = 200
CHANNELS = [f"kept:{number}" for number in range(20)]
LIVE = "live:ticker"
INTERVAL = 0.1
LEASE = 3.0
SETTLE = 60.0
"""Seconds after the last publication in which everybody must have reached the end."""

SETTINGS = {
    "auth": {"hmac_secret": SECRET},
    "api": {"key": KEY},
    "client": {"personal_channel": False},
    "channels": {
        "namespaces": {
            "kept": {
                "allow_subscribe_for_client": True,
                "history_size": 2000,
                "history_ttl": 600.0,
                "force_recovery": True,
            },
            "live": {"allow_subscribe_for_client": True},
        }
    },
}
RULES = Rules(channels={"kept:*": ChannelRules(history=True), "live:*": ChannelRules()}, slack=2.0)


class Wipe(Fault):
    """Redis is killed and comes back with nothing, as if its disk had been lost."""

    def __init__(self, redis: RedisServer) -> None:
        self._redis = redis
        self._did = ""

    @property
    def name(self) -> str:
        return "wipe redis"

    def begin(self) -> None:
        self._redis.kill()
        for path in self._redis.directory.glob("*"):
            if path.name.startswith(("dump", "appendonly")):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._did = "ended Redis and removed its files"

    def end(self) -> None:
        self._redis.restart()

    def effect(self) -> str:
        return self._did


def faults(start: float, redis: RedisServer, nodes: Sequence[TidingsNode], proxies: Sequence[FaultProxy]) -> list[At]:
    """One round, from `start` on."""
    to_redis, to_node = proxies
    plan = [
        At(2, KillClients(redis, kind="pubsub")),
        At(5, Kill(redis), lasting=2),
        At(12, Kill(nodes[1]), lasting=2),
        At(20, Wipe(redis), lasting=2),
        At(27, Cut(to_redis), lasting=1.5),
        At(31, Inject(to_redis, Timeout()), lasting=4),
        At(37, Pause(nodes[0]), lasting=1.5),
        At(41, Cut(to_node), lasting=1),
        At(44, PauseClients(redis, seconds=1.5)),
    ]
    for at in plan:
        at.span = type(at.span)(start + at.span.begin, at.span.lasting)
    return plan


class Publisher:
    """Publishes through one node after the other, and says how each attempt ended."""

    def __init__(self, http: httpx2.AsyncClient, nodes: Sequence[TidingsNode], recorder: Recorder) -> None:
        self._http = http
        self._nodes = nodes
        self._publish = recorder.publisher(self._call)
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0

    async def go_on(self, seconds: float) -> None:
        """One publication every `INTERVAL`, each in a task of its own: an outage does not slow them down."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while (due := start + self._number * INTERVAL) < start + seconds:
            await asyncio.sleep(due - loop.time())
            self._begin(random.choice(CHANNELS))
            if self._number % 5 == 0:
                self._begin(LIVE)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, channel: str) -> None:
        self._number += channel != LIVE
        task = asyncio.create_task(self._attempt(channel, f"{channel}-{self._number}"))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, channel: str, name: str) -> None:
        try:
            await self._publish(channel, stamped(name))
        except (TidingsError, httpx2.HTTPError):
            return  # noted by the recorder

    async def _call(self, channel: str, data: object) -> object:
        node = self._nodes[self._number % len(self._nodes)]
        answer = await self._http.post(f"{node.url}/api/publish", json={"channel": channel, "data": data})
        body = answer.json()
        if error := body.get("error"):
            raise TidingsError(error["message"], code=error["code"], temporary=error.get("temporary", False))
        return body

    async def top(self, channel: str) -> tuple[int, str]:
        """Where the stream of a channel ends."""
        answer = await self._http.post(f"{self._nodes[0].url}/api/history", json={"channel": channel, "limit": 0})
        result = answer.json()["result"]
        return result.get("offset", 0), result["epoch"]


async def test_no_promise_is_broken_under_faults(record_property: pytest.RecordProperty) -> None:
    """Redis killed and restarted with its data and without, a node killed, lines cut and silent, somebody paused."""
    history = History()
    observer, recorder = Observer(history), Recorder(history)
    with RedisServer(persistent=True) as redis:
        async with AsyncExitStack() as stack:
            to_redis = await stack.enter_async_context(FaultProxy(redis.url))
            nodes = [
                await stack.enter_async_context(TidingsNode({**SETTINGS, "broker": {"url": url, "lease": LEASE}}))
                for url in (to_redis.url, redis.url)
            ]
            to_node = await stack.enter_async_context(FaultProxy(nodes[0].websocket))
            http = await stack.enter_async_context(httpx2.AsyncClient(headers={"X-API-Key": KEY}, timeout=15.0))
            publisher = Publisher(http, nodes, recorder)
            addresses = [to_node.url, nodes[1].websocket]
            listeners = [
                await stack.enter_async_context(
                    Listener(
                        f"user-{number}",
                        observer,
                        addresses[:: 1 if number % 2 else -1],
                        [CHANNELS[number % len(CHANNELS)], LIVE],
                        token,
                    )
                )
                for number in range(CLIENTS)
            ]
            rounds = max(1, int(SECONDS // ROUND))
            planned = [at for one in range(rounds) for at in faults(one * ROUND, redis, nodes, (to_redis, to_node))]
            async with FaultSchedule(*planned, on_fault=lambda name, at: recorder.fault(name)) as schedule:
                publishing = asyncio.create_task(publisher.go_on(max(SECONDS - 5, rounds * ROUND - 3)))
                await schedule.finished()
                await publishing
            await everybody_is_there(listeners, publisher)
    verdict = check(history, RULES)
    verdict.raise_if_broken()
    assert sum(one.acknowledged for one in verdict.channels.values()) > SECONDS / INTERVAL / 2


async def everybody_is_there(listeners: Sequence[Listener], publisher: Publisher) -> None:
    """Wait until every listener has got everything that is to be had."""
    async with asyncio.timeout(SETTLE):
        for channel in CHANNELS:
            offset, epoch = await publisher.top(channel)
            for number, listener in enumerate(listeners):
                if CHANNELS[number % len(CHANNELS)] == channel:
                    while not listener.has_reached(channel, offset, epoch):
                        await asyncio.sleep(0.05)
