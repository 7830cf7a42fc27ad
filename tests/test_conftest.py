"""The ground rules of the suite, each shown by a test that breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.world

HERE = Path(__file__).parent

CONFIGURATION = """
[pytest]
addopts = --strict-markers --import-mode=importlib -p no:cacheprovider
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
markers =
    core: a ring
    shell: a ring
    world: a ring
"""

HEAD = """
import asyncio, gc, os, socket, time
import pytest

pytestmark = pytest.mark.shell
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Run a test module on the suite's own ground, in a process of its own."""
    pytester.makeconftest((HERE / "conftest.py").read_text())
    pytester.makefile(".ini", pytest=CONFIGURATION)
    monkeypatch.delenv("CI", raising=False)

    def run(body: str, *, head: str = HEAD) -> pytest.RunResult:
        pytester.makepyfile(head + body)
        return pytester.runpytest_subprocess()

    return run


def test_a_leaked_task_fails_its_test_by_name(run):
    """A task that outlives its test is an error of that test which names it; the next test is not troubled."""
    result = run(
        """
async def test_leaks():
    asyncio.create_task(asyncio.Event().wait(), name="straggler")

async def test_next():
    pass
"""
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_leaks*", "*tasks were left running*", "*straggler*"])


def test_a_task_that_a_fixture_ends_is_not_leaked(run):
    """Tasks may live until their fixture's end, and one that was cancelled gets a moment to clean up."""
    result = run(
        """
@pytest.fixture
async def server():
    task = asyncio.create_task(asyncio.Event().wait())
    yield
    task.cancel()

async def slow_goodbye():
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.05)

async def test_uses_it(server):
    leaving = asyncio.create_task(slow_goodbye())
    await asyncio.sleep(0)
    leaving.cancel()
"""
    )
    result.assert_outcomes(passed=1)


def test_an_exception_in_a_callback_fails_its_test(run):
    """What only the loop's exception handler hears of is heard: callbacks, and tasks that nobody awaited."""
    result = run(
        """
async def test_callback():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)

async def test_task():
    async def fail():
        raise KeyError("lost")
    asyncio.create_task(fail())
"""
    )
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*", "*never retrieved*KeyError('lost')*"])


def test_rubbish_is_found_while_its_test_is_on_stage(run):
    """A coroutine nobody awaited and an unclosed socket in a cycle are errors of the test that left them."""
    result = run(
        """
async def test_never_awaited():
    asyncio.sleep(1)

async def test_unclosed_in_a_cycle():
    class Holder: pass
    holder = Holder()
    holder.itself, holder.socket = holder, socket.socket()

async def test_next():
    pass
"""
    )
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] + outcomes["errors"] == 2
    result.stdout.fnmatch_lines(["*never awaited*"])
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_unclosed_in_a_cycle*", "*unclosed*socket*"])


def test_blocking_below_our_code_raises(run):
    """A blocking call made from Tidings' code fails in the loop, outside of the loop and in world tests it does not."""
    result = run(
        """
from tidings.hooks import Hooks

BLOCK = Hooks(lambda fact: time.sleep(0.001))

async def test_in_the_loop():
    BLOCK.announce(None)

async def test_not_ours():
    time.sleep(0.001)

def test_without_a_loop():
    BLOCK.announce(None)
"""
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*BlockingError: Blocking call to time.sleep*", "FAILED*test_in_the_loop*"])
    run(
        """
from tidings.hooks import Hooks

async def test_in_the_world():
    Hooks(lambda fact: time.sleep(0.001)).announce(None)
""",
        head=HEAD.replace("shell", "world"),
    ).assert_outcomes(passed=1)


def test_every_test_has_one_ring(run):
    """No ring, or two of them, is an error of the module before anything runs."""
    result = run("def test_a(): pass\n", head="")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_a: mark it core, shell or world, once (found none)*"])
    result = run("@pytest.mark.core\ndef test_b(): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_b: mark it core, shell or world, once (found core and shell)*"])


def test_the_loop_is_uvloops(run):
    """Asynchronous tests run on uvloop; one that names its loops runs on each."""
    run(
        """
async def test_default():
    assert type(asyncio.get_running_loop()).__module__ == "uvloop"

@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
async def test_both():
    pass
"""
    ).assert_outcomes(passed=3)


SKIPS = """
def test_asks_for_a_service():
    pytest.skip("no such service")

@pytest.mark.skipif(True, reason="never here")
def test_marked():
    pass

@pytest.mark.xfail(reason="known")
def test_expected():
    assert False
"""


def test_without_ci_a_test_may_skip(run):
    """At home a missing service is a skip."""
    run(SKIPS).assert_outcomes(skipped=2, xfailed=1)


@pytest.mark.parametrize(
    ("body", "outcomes"),
    [
        pytest.param(SKIPS, {"failed": 1, "errors": 1, "xfailed": 1}, id="test"),
        pytest.param('pytest.skip("no such service", allow_module_level=True)', {"errors": 1}, id="module"),
    ],
)
def test_in_ci_a_skip_is_a_failure(run, monkeypatch: pytest.MonkeyPatch, body: str, outcomes: dict[str, int]):
    """In CI it has failed, with its reason, be it a test or a whole module; an expected failure has not."""
    monkeypatch.setenv("CI", "true")
    result = run(body)
    result.assert_outcomes(**outcomes)
    result.stdout.fnmatch_lines(["*nothing may be skipped in CI: *no such service*"])
