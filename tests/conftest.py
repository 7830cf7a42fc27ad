"""The ground every test stands on: one ring, one loop, nothing left behind, nothing skipped in CI.

Ring
    Every test is marked `core`, `shell` or `world`, once; a module that forgets is a collection error.
Loop
    Asynchronous tests run on uvloop, as production does. `@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])`
    runs one on both. In core and shell tests a blocking call below Tidings' own code raises `BlockingError`.
Nothing left behind
    A task that outlives its test and the test's fixtures fails it, and so does an exception that reached only the
    loop's handler. Garbage is collected while the test is still on stage, so an unclosed socket or a coroutine that
    was never awaited is its error and not a later test's.
Continuous integration
    With `CI` in the environment a skipped test has failed, and hypothesis chooses its examples by a fixed rule.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
import uvloop
from blockbuster import BlockBuster
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

RINGS = ("core", "shell", "world")
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
TURNS = 10
FAREWELL = 1.0
MANY_FILES = 3000

Complaint = dict[str, Any]

settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if IN_CI else "local")


# Ring.


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Refuse a test without a ring, or with two. Called once for each test function, while its module is collected."""
    rings = sorted({mark.name for mark in metafunc.definition.iter_markers() if mark.name in RINGS})
    if len(rings) != 1:
        found = " and ".join(rings) or "none"
        pytest.fail(f"{metafunc.definition.nodeid}: mark it core, shell or world, once (found {found})", pytrace=False)


# Loop.


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop; plain asyncio only for a test that names its loops."""
    mark = item.get_closest_marker("asyncio")
    if mark is not None and "loop_factories" in mark.kwargs:
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def blockbuster() -> BlockBuster:
    """The detector of blocking calls, which looks for Tidings' own code among the callers."""
    return BlockBuster(scanned_modules=["tidings"])


@pytest.fixture(autouse=True)
def nothing_blocks(request: pytest.FixtureRequest, left_behind: None) -> Iterator[None]:
    """Let blocking calls raise while the test runs. World tests may block: their server is another process."""
    if not pytest_asyncio.is_async_test(request.node) or request.node.get_closest_marker("world"):
        yield
        return
    detector: BlockBuster = request.getfixturevalue("blockbuster")
    detector.activate()
    yield
    detector.deactivate()


# Nothing left behind.


def pytest_configure() -> None:
    """A thousand connections need more files than a shell usually allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@pytest.fixture
def many_files() -> None:
    """For a test of a thousand connections, all of which end in this process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < MANY_FILES:
        pytest.skip(f"needs {MANY_FILES} open files, and {most} are allowed: raise the hard limit, see ulimit -Hn")


def pytest_collection_finish() -> None:
    """What exists before the first test is no test's garbage; collecting after each one then costs little."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def complaints(request: pytest.FixtureRequest) -> Iterator[list[Complaint]]:
    """What the loop's exception handler was told. Set up first and torn down last, when the loop is closed."""
    heard: list[Complaint] = []
    yield heard
    if pytest_asyncio.is_async_test(request.node):
        gc.collect()
    if heard:
        pytest.fail("the loop met exceptions that nobody caught:\n" + "\n".join(map(describe, heard)), pytrace=False)


@pytest.fixture(autouse=True)
def left_behind(request: pytest.FixtureRequest, complaints: list[Complaint]) -> None:
    """Watch the loop of an asynchronous test from before its fixtures are set up until they are torn down."""
    if pytest_asyncio.is_async_test(request.node):
        request.getfixturevalue("watched_loop")


@pytest.fixture
async def watched_loop(complaints: list[Complaint]) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    yield
    leaked = await lingering_tasks()
    for task in leaked:
        task.cancel()
    if leaked:
        pytest.fail("tasks were left running:\n" + "\n".join(map(repr, leaked)), pytrace=False)


async def lingering_tasks() -> set[asyncio.Task[Any]]:
    """Who still runs after a few turns of the loop; those that were cancelled have a moment to clean up."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
    leaving = {task for task in other_tasks() if task.cancelling()}
    if leaving:
        await asyncio.wait(leaving, timeout=FAREWELL)
    return other_tasks()


def other_tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def describe(complaint: Complaint) -> str:
    return f"{complaint['message']}: {complaint.get('exception')!r}"


# Continuous integration.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    refuse_skip(report)
    return report


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a skipped test or module a failed one in CI. An expected failure is not a skip."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped in CI: {reason}"
