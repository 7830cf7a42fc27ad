"""Blocks: what begins ends, whoever cancels or interrupts it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator

import pytest
from tests.testing.services.programs import FOREVER, READY, Script, nothing_is_left_of

from tidings.testing.services import ServiceError, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]


def test_it_is_there_inside_and_gone_outside():
    with Script(READY + FOREVER) as script:
        assert script.is_running
        group, directory = script.process.pid, script.directory
        assert directory.is_dir()
    assert nothing_is_left_of(group, directory)


async def test_the_same_in_asynchronous_code():
    async with Script(READY + FOREVER) as script:
        group, directory = script.process.pid, script.directory
    assert nothing_is_left_of(group, directory)


def test_a_failure_inside_shows_how_the_service_was():
    """The exception carries a note with the exit code and the last lines."""
    with pytest.raises(ValueError, match="mine") as failure, Script("print('hello')\n" + READY + FOREVER) as script:
        script.kill()
        raise ValueError("mine")
    (note,) = failure.value.__notes__
    assert "ended with -9 (SIGKILL)" in note
    assert note.endswith("It wrote at last:\nhello\nready")


async def test_cancelling_a_start_ends_it_early_and_leaves_nothing():
    """Long before its patience would have ended."""
    script = Script(FOREVER, patience=60.0)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await script.__aenter__()
    assert time.monotonic() - begun < 10.0
    assert script.port == 0
    assert not script.is_running


async def test_a_start_that_was_cancelled_can_be_repeated():
    script = Script(READY + FOREVER)
    entering = asyncio.create_task(script.__aenter__())
    await asyncio.sleep(0)
    entering.cancel()
    await asyncio.wait({entering})
    assert entering.cancelled()
    assert script.port == 0
    async with script:
        assert script.is_running


async def test_cancelling_an_end_waits_for_it():
    script = await Script(READY + FOREVER).__aenter__()
    group, directory = script.process.pid, script.directory
    leaving = asyncio.create_task(script.__aexit__(None, None, None))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})
    assert leaving.cancelled()
    assert nothing_is_left_of(group, directory)


class Interrupted(Script):
    """Ctrl-C is pressed while it is waited for."""

    def is_ready(self) -> bool:
        self.seen = self.process.pid, self.directory
        signal.raise_signal(signal.SIGINT)
        return False


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C interrupts, also where the tests run in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_start_leaves_nothing(ctrl_c: None):
    script = Interrupted(FOREVER)
    with pytest.raises(KeyboardInterrupt), script:
        pytest.fail("it never was ready")
    assert nothing_is_left_of(*script.seen)
    assert script.port == 0


def test_stopping_twice_is_harmless():
    script = Script(READY + FOREVER)
    script.start()
    script.stop()
    script.stop()
    assert not script.is_running


def test_starting_twice_is_refused():
    """The first would be forgotten, and run on."""
    with Script(READY + FOREVER) as script, pytest.raises(ServiceError, match="has been started already"):
        script.start()


def test_a_service_can_be_started_again_after_its_block():
    script = Script(READY + FOREVER)
    for _ in range(2):
        with script:
            assert script.is_running


async def test_services_start_side_by_side():
    """In one process and one loop."""
    async with Script(READY + FOREVER) as one, Script(READY + FOREVER) as other, TidingsNode() as node:
        assert len({one.port, other.port, node.port}) == 3
        assert len({one.directory, other.directory, node.directory}) == 3
