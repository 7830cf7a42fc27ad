"""Processes that are killed, paused and restarted, beside their clients."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx2
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as TooSlow

from tidings.testing.faults import At, FaultError, FaultSchedule, FaultsMissed, Kill, Pause, Restart, Resume
from tidings.testing.services import RedisServer, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture(scope="module")
def node() -> Iterator[TidingsNode]:
    with TidingsNode() as node:
        yield node


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as redis:
        yield redis


def is_alive(node: TidingsNode, *, timeout: float = 5.0) -> bool:
    return httpx2.get(f"{node.url}/health/live", timeout=timeout).is_success


def test_a_node_is_killed_and_back_on_its_port(node: TidingsNode):
    pid, url = node.process.pid, node.url
    with Kill(node) as fault:
        assert not node.is_running
        with pytest.raises(httpx2.ConnectError):
            is_alive(node)
    assert fault.effect() == f"ended process {pid}"
    assert (node.url, is_alive(node)) == (url, True)
    assert node.process.pid != pid


def test_a_node_is_paused_and_goes_on(node: TidingsNode):
    """It accepts, and answers nobody."""
    pid = node.process.pid
    with Pause(node) as fault, pytest.raises(httpx2.ReadTimeout):
        is_alive(node, timeout=0.2)
    assert fault.effect() == f"stopped process {pid} in its tracks"
    assert is_alive(node)


async def test_a_schedule_of_deaths(node: TidingsNode):
    """Paused for a while, then killed for a while; each really, as the kernel says."""
    pid = node.process.pid
    faults = [At(0.0, Pause(node), lasting=0.1), At(0.3, Kill(node), lasting=0.1)]
    async with FaultSchedule(*faults) as schedule:
        await schedule.finished()
    assert [record.effect for record in schedule.records] == [
        f"stopped process {pid} in its tracks",
        f"ended process {pid}",
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert is_alive(node)


async def test_a_death_that_came_too_late_is_named(node: TidingsNode):
    with pytest.raises(FaultsMissed, match="kill tidings, due at 60 s: did not begin"):
        async with FaultSchedule(At(60.0, Kill(node))):
            assert is_alive(node)


def test_resumed_within_a_pause(redis: RedisServer):
    with Redis.from_url(redis.url, socket_timeout=0.5, retry=None) as client:
        client.ping()
        with Pause(redis):
            with pytest.raises(TooSlow):
                client.ping()
            resume = Resume(redis)
            resume.begin()
            assert client.ping()
            second = Resume(redis)
            second.begin()
    assert resume.effect() == f"let process {redis.process.pid} go on"
    assert second.effect() == ""


def test_restarted(redis: RedisServer):
    before = redis.process.pid
    with Restart(redis) as fault:
        assert redis.ask("PING")
    assert fault.effect() == f"replaced process {before} by {redis.process.pid}"


def test_killed_while_paused(redis: RedisServer):
    """The end of the pause finds nobody, and does no harm."""
    with Pause(redis):
        redis.kill()
    assert not redis.is_running
    redis.restart()
    assert redis.ask("PING")


def test_who_has_ended_cannot_be_killed_again(redis: RedisServer):
    with Kill(redis):
        for fault in (Kill(redis), Pause(redis), Resume(redis)):
            with pytest.raises(FaultError, match=rf"Cannot {fault.verb} redis: it has ended already, with -9\."):
                fault.begin()
            fault.end()
        with pytest.raises(Unreachable), Redis.from_url(redis.url, retry=None) as client:
            client.ping()
        with Restart(redis):
            assert redis.ask("PING")


def test_who_is_not_there_cannot_be_killed():
    with pytest.raises(FaultError, match="Cannot kill redis: redis does not run here, so that nothing can be done"):
        Kill(RedisServer()).begin()


def test_who_is_stopped_meanwhile_stays_stopped():
    redis = RedisServer()
    redis.start()
    with Kill(redis):
        redis.stop()
    assert not redis.is_running
