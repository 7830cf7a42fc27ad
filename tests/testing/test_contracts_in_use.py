"""The contracts in somebody else's project: plain pytest, pytest-asyncio in strict mode, one fixture."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.world

PROJECT = """
import pytest
from tidings.brokers.memory import MemoryBackend, MemoryBroker
from tidings.clock import ManualClock
from tidings.testing.contracts import Backend, BrokerContract, HistoryContract, PresenceContract

class Repeating(MemoryBroker):
    async def publish(self, channel, publication, **options):
        await super().publish(channel, publication, **options)
        return await super().publish(channel, publication, **options)

def backend_of(broker):
    clock, memory = ManualClock(), MemoryBackend()
    async def advance(seconds):
        clock.advance(seconds)
    return Backend(lambda: broker(clock, memory), advance)
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Run a test module in a project of its own, where every warning is an error."""

    def run(body: str) -> pytest.RunResult:
        pytester.makeini("[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n")
        pytester.makepyfile(PROJECT + body)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error")

    return run


def test_a_good_broker_passes(run):
    """All three contracts at once, none of their tests skipped or hidden by another."""
    result = run(
        """
class TestMine(BrokerContract, HistoryContract, PresenceContract):
    @pytest.fixture
    def backend(self):
        return backend_of(MemoryBroker)
"""
    )
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] > 70


def test_a_failure_shows_what_was_heard(run):
    """The asserts of the contracts explain themselves as those of a test module do."""
    result = run(
        """
class TestMine(BrokerContract):
    @pytest.fixture
    def backend(self):
        return backend_of(Repeating)
"""
    )
    result.stdout.fnmatch_lines(
        ["*test_one_nodes_publications_arrive_in_its_order*", "*At index 1 diff: b'0' != b'1'*"]
    )


def test_a_missing_fixture_is_explained(run):
    """A subclass without `backend` is told what to add."""
    result = run("class TestMine(PresenceContract): pass")
    result.stdout.fnmatch_lines(["*a contract needs the fixture `backend`*"])
    assert "passed" not in result.parseoutcomes()
