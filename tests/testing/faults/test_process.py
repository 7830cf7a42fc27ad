"""A Tidings node that is killed, paused and restarted, beside its clients."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx2
import pytest

from tidings.testing.faults import At, FaultError, FaultSchedule, FaultsMissed, Kill, Pause, Restart, Resume
from tidings.testing.services import RedisServer, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture(scope="module")
def node() -> Iterator[TidingsNode]:
    with TidingsNode() as node:
        yield node


def is_alive(node: TidingsNode, *, timeout: float = 5.0) -> bool:
    return httpx2.get(f"{node.url}/health/live", timeout=timeout).is_success


def test_killed_and_back_on_its_port(node: TidingsNode):
    pid, url = node.process.pid, node.url
    with Kill(node) as fault:
        assert not node.is_running
        with pytest.raises(httpx2.ConnectError):
            is_alive(node)
    assert fault.effect() == f"ended process {pid}"
    assert (node.url, is_alive(node)) == (url, True)
    assert node.process.pid != pid


def test_paused_and_going_on(node: TidingsNode):
    """It accepts, and answers nobody."""
    pid = node.process.pid
    with Pause(node) as fault, pytest.raises(httpx2.ReadTimeout):
        is_alive(node, timeout=0.2)
    assert fault.effect() == f"stopped process {pid} in its tracks"
    assert is_alive(node)


def test_resumed_within_a_pause(node: TidingsNode):
    with Pause(node):
        resume = Resume(node)
        resume.begin()
        assert is_alive(node)
        second = Resume(node)
        second.begin()
    assert resume.effect() == f"let process {node.process.pid} go on"
    assert second.effect() == ""


def test_restarted(node: TidingsNode):
    before = node.process.pid
    with Restart(node) as fault:
        assert is_alive(node)
    assert fault.effect() == f"replaced process {before} by {node.process.pid}"


def test_killed_while_paused(node: TidingsNode):
    """The end of the pause finds nobody, and does no harm."""
    with Pause(node):
        node.kill()
    assert not node.is_running
    node.restart()
    assert is_alive(node)


def test_who_has_ended_cannot_be_killed_again(node: TidingsNode):
    with Kill(node):
        for fault in (Kill(node), Pause(node), Resume(node)):
            with pytest.raises(FaultError, match=rf"Cannot {fault.verb} tidings: it has ended already, with -9\."):
                fault.begin()
            fault.end()
        with Restart(node):
            assert is_alive(node)


def test_who_is_not_there_cannot_be_killed():
    with pytest.raises(FaultError, match="Cannot kill redis: redis does not run here, so that nothing can be done"):
        Kill(RedisServer()).begin()


def test_a_node_that_is_stopped_meanwhile_stays_stopped():
    node = TidingsNode()
    node.start()
    with Kill(node):
        node.stop()
    assert not node.is_running


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
