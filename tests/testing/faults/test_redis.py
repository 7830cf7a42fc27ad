"""Redis behind the proxy, and Redis's own faults: redis-py meets each of them, and is well again afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import NoScriptError, OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as TooSlow

from tidings.testing.faults import (
    At,
    Fault,
    FaultError,
    FaultProxy,
    FaultSchedule,
    FaultsMissed,
    FlushScripts,
    Inject,
    KillClients,
    Latency,
    OutOfMemory,
    PauseClients,
    ReadOnly,
    ResetPeer,
    Sleep,
    Timeout,
)
from tidings.testing.services import RedisServer

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def client(redis: RedisServer) -> AsyncIterator[Redis]:
    async with connect(redis.url) as client:
        await client.ping()
        yield client
        await client.flushdb()


def connect(url: str, *, timeout: float = 5.0) -> Redis:
    """A client that does not try again by itself, so that a fault is seen."""
    return Redis.from_url(url, socket_timeout=timeout, retry=Retry(NoBackoff(), 0))


# Behind the proxy.


async def test_redis_py_speaks_through_the_proxy(redis: RedisServer):
    async with FaultProxy(redis.url) as proxy, connect(proxy.url) as client:
        assert proxy.url == f"redis://{proxy.address}/0"
        await client.set("key", b"x" * 1_000_000)
        assert await client.get("key") == b"x" * 1_000_000
        await client.delete("key")


async def test_a_reset_is_noticed_and_survived(redis: RedisServer):
    async with FaultProxy(redis.url) as proxy, connect(proxy.url) as client:
        await client.ping()
        with proxy.toxic(ResetPeer()), pytest.raises(Unreachable):
            await client.ping()
        assert await client.ping()


async def test_a_silent_line_is_noticed_by_its_timeout(redis: RedisServer):
    async with FaultProxy(redis.url) as proxy, connect(proxy.url, timeout=0.5) as client:
        await client.ping()
        with proxy.toxic(Timeout()) as silent, pytest.raises(TooSlow):
            await client.ping()
        assert silent.touched.data_bytes == len(b"+PONG\r\n")
        assert await client.ping()


async def test_cut_and_mended(redis: RedisServer):
    """A subscriber loses its subscription and notices it."""
    async with FaultProxy(redis.url) as proxy, connect(proxy.url) as client:
        async with client.pubsub() as listener:
            await listener.subscribe("news")
            assert (await listener.get_message(timeout=5.0))["type"] == "subscribe"
            proxy.cut()
            with pytest.raises(Unreachable):
                await listener.get_message(timeout=5.0)
        with pytest.raises(Unreachable):
            await client.ping()
        proxy.mend()
        assert await client.ping()


# Redis's own.


async def test_killed_clients_are_those_of_one_type(redis: RedisServer, client: Redis):
    async with client.pubsub() as listener:
        await listener.subscribe("news")
        assert (await listener.get_message(timeout=5.0))["type"] == "subscribe"
        fault = KillClients(redis, kind="pubsub")
        async with fault:
            with pytest.raises(Unreachable):
                await listener.get_message(timeout=5.0)
        assert fault.effect() == "ended 1 client"
    assert await client.ping()
    async with KillClients(redis, kind="pubsub") as second:
        assert second.effect() == ""


async def test_all_clients_are_killed(redis: RedisServer, client: Redis):
    async with KillClients(redis) as fault:
        with pytest.raises(Unreachable):
            await client.ping()
    assert fault.effect().startswith("ended ")
    assert await client.ping()


async def test_paused_clients_wait(redis: RedisServer, client: Redis):
    fault = PauseClients(redis, seconds=0.2)
    async with fault:
        waiting = asyncio.ensure_future(client.ping())
        assert await asyncio.wait([waiting], timeout=0.05) == (set(), {waiting})
    assert await waiting
    assert fault.effect() == "paused 1 client"


async def test_paused_writes_wait_and_reads_do_not(redis: RedisServer, client: Redis):
    """Until the end of the block, and not for as long as the pause might have been."""
    async with connect(redis.url) as writer:
        async with PauseClients(redis, seconds=60.0, writes_only=True):
            waiting = asyncio.ensure_future(writer.set("key", 1))
            assert await client.get("key") is None
            assert not waiting.done()
        assert await waiting
    assert await client.get("key") == b"1"


async def test_a_sleeping_server_answers_nobody(redis: RedisServer, client: Redis):
    fault = Sleep(redis, seconds=1.0)
    sleeping = asyncio.ensure_future(fault.perform(fault.begin))
    async with connect(redis.url, timeout=0.3) as impatient:
        with pytest.raises(TooSlow):
            while not sleeping.done():
                await impatient.ping()
    await sleeping
    assert fault.effect() in ("let 1 client wait for 1 s", "let 2 clients wait for 1 s")  # who came in time
    assert await client.ping()


async def test_out_of_memory(redis: RedisServer, client: Redis):
    await client.config_set("maxmemory-policy", "allkeys-lru")
    fault = OutOfMemory(redis)
    async with fault:
        assert fault.effect() == ""
        with pytest.raises(OutOfMemoryError):
            await client.set("key", 1)
        assert await client.get("key") is None
        assert fault.effect() == "refused 1 command with OOM"
    assert fault.effect() == "refused 1 command with OOM"
    assert await client.set("key", 1)
    settings = await client.config_get("maxmemory*")
    assert (settings["maxmemory"], settings["maxmemory-policy"]) == ("0", "allkeys-lru")


async def test_read_only(redis: RedisServer, client: Redis):
    await client.set("key", 1)
    fault = ReadOnly(redis)
    async with fault:
        with pytest.raises(ReadOnlyError):
            await client.set("key", 2)
        assert await client.get("key") == b"1"
        with pytest.raises(FaultError, match="is a replica already"):
            ReadOnly(redis).begin()
    assert fault.effect() == "refused 1 command with READONLY"
    assert await client.set("key", 2)


async def test_scripts_are_forgotten(redis: RedisServer, client: Redis):
    await client.script_flush()
    sha = await client.script_load("return 7")
    assert await client.evalsha(sha, 0) == 7
    async with FlushScripts(redis) as fault:
        with pytest.raises(NoScriptError):
            await client.evalsha(sha, 0)
    assert fault.effect() == "flushed 1 script"
    async with FlushScripts(redis) as second:
        assert second.effect() == ""


async def test_a_redis_that_is_away_is_told():
    """In one sentence, and soon."""
    redis = RedisServer()
    with redis:
        redis.kill()
        for fault in (KillClients(redis), PauseClients(redis, seconds=1), OutOfMemory(redis), FlushScripts(redis)):
            with pytest.raises(FaultError, match=rf"Cannot do {fault.name} at {redis.url}: .*Connection refused"):
                fault.begin()
            fault.end()


def test_faults_do_not_end_each_others_connections(redis: RedisServer):
    """Those of a schedule run side by side, and killing clients kills whoever asks at that moment."""

    def again_and_again(fault: Callable[[], Fault]) -> None:
        for _ in range(50):
            fault().begin()

    with ThreadPoolExecutor() as threads:
        killing = threads.submit(again_and_again, lambda: KillClients(redis, kind="normal"))
        flushing = threads.submit(again_and_again, lambda: FlushScripts(redis))
        killing.result()
        flushing.result()


async def test_a_schedule_against_redis(redis: RedisServer):
    """A client at work meets all of it; a fault that meets nobody fails the test."""
    async with FaultProxy(redis.url) as proxy, connect(proxy.url) as client:
        faults = [
            At(0.05, Inject(proxy, Latency(latency_ms=20)), lasting=0.1),
            At(0.2, KillClients(redis, kind="normal")),
            At(0.3, OutOfMemory(redis), lasting=0.1),
            At(0.3, KillClients(redis, kind="pubsub")),
        ]
        with pytest.raises(FaultsMissed) as missed:
            async with FaultSchedule(*faults) as schedule:
                finished = asyncio.ensure_future(schedule.finished())
                while not finished.done():
                    try:
                        await client.set("key", 1)
                    except (Unreachable, OutOfMemoryError):
                        await asyncio.sleep(0)
    assert str(missed.value).splitlines()[1:] == ["client kill pubsub of redis, due at 0.3 s: touched nothing"]
