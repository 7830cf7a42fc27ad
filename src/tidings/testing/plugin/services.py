"""What a missing service means for a test, and what a failing test tells of its services."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

import pytest

KINDS = {
    "redis": "RedisServer",
    "sentinel": "RedisSentinel",
    "cluster": "RedisCluster",
    "postgres": "PostgresServer",
    "nats": "NatsServer",
    "browser": "Browser",
    "kafka": "",
}
"""The services that `--require` knows, and their classes in `tidings.testing.services`."""

REQUIRED = pytest.StashKey[frozenset[str]]()

NOT_RUN = "async def functions are not natively supported"
"""What pytest says of a coroutine that no plugin runs."""

ASYNCHRONOUS = """pytest-asyncio runs a coroutine as a test where it is told to, in the settings of pytest:
  asyncio_mode = auto
or at each test: @pytest.mark.asyncio"""

DATABASES = 16
"""How many a Redis has, unless somebody has configured it."""


def required(text: str) -> frozenset[str]:
    """The services that `--require` names. Raises `ValueError` for one that nobody knows."""
    names = {name.strip() for name in text.split(",")} - {""}
    if names == {"all"}:
        return frozenset(KINDS)
    if unknown := sorted(names - KINDS.keys()):
        raise ValueError(f"--require {unknown[0]}: there is no such service; there are {', '.join(KINDS)} and all.")
    return frozenset(names)


def absent(config: pytest.Config, name: str, sentence: str) -> NoReturn:
    """A missing service is a skip, and a failure where it is required."""
    if name in config.stash.get(REQUIRED, frozenset()):
        raise pytest.fail.Exception(f"{sentence} (It has to be there: --require {name}.)", pytrace=False) from None
    raise pytest.skip.Exception(sentence) from None  # `Missing`, of which it comes, says nothing more.


@contextmanager
def block(config: pytest.Config, name: str) -> Iterator[Any]:
    """A service by its name in `KINDS`, while the block lasts."""
    try:
        kinds = importlib.import_module("tidings.testing.services")
    except ImportError as error:
        absent(config, name, f'{error.name} is not installed: pip install "tidings[testing]".')
    kind = getattr(kinds, KINDS[name], None)
    if kind is None:
        absent(config, name, f"this version of tidings.testing has no {KINDS[name]}.")
    service = kind()
    try:
        service.start()
    except kinds.Missing as error:
        absent(config, name, str(error))
    try:
        yield service
    finally:
        service.stop()


@contextmanager
def redis_block(config: pytest.Config) -> Iterator[Any]:
    """A Redis for this test process alone. Of one that is given, a database of its own, left as it was found."""
    with block(config, "redis") as server:
        if not server.given:
            yield server
            return
        worker = getattr(config, "workerinput", {}).get("workerid", "")
        server.given = database_for(server.given, worker)
        if server.given.endswith("/0"):
            pytest.fail(
                f"{server.given} is where everybody keeps everything, and its keys would be removed. Name a database "
                "that is only for tests, such as redis://…/15.",
                pytrace=False,
            )
        with claimed(server):
            yield server


@contextmanager
def claimed(server: Any) -> Iterator[None]:
    """The database that `given` names, or if another run of tests on this machine has that, the next empty one."""
    from tidings.testing.services import ports

    named = server.given
    for server.given in successors(named):
        name = name_of(server.given)
        if ports.claim(name):
            if server.given == named or not server.ask("DBSIZE"):
                break
            ports.disclaim(name)
    else:
        pytest.fail("Other runs of tests on this machine use every database of this Redis.", pytrace=False)
    try:
        if server.ask("DBSIZE") and not os.environ.get("REDIS_TEST_URL"):
            pytest.fail(
                f"{server.given} has keys, which tests would remove. Name an empty database, such as "
                "redis://…/15, or say in REDIS_TEST_URL that it is for tests.",
                pytrace=False,
            )
        yield
        server.clear()
    finally:
        ports.disclaim(name)


def successors(url: str) -> Iterator[str]:
    """The database itself and those after it, but for the one that belongs to everybody."""
    for step in range(DATABASES):
        if not (candidate := database_for(url, f"gw{step}")).endswith("/0"):
            yield candidate


def name_of(url: str) -> str:
    """How a database is called among the things that runs of tests claim; without its password."""
    parts = urlsplit(url)
    return f"redis-{parts.hostname}-{parts.port}-{parts.path.strip('/')}"


def database_for(url: str, worker: str) -> str:
    """The address of the database that a worker of pytest-xdist uses: "gw3" has the fourth from the one in `url`."""
    number = int(worker.removeprefix("gw")) if worker.startswith("gw") else 0
    parts = urlsplit(url)
    first = int(parts.path.strip("/") or "0")
    return urlunsplit(parts._replace(path=f"/{(first + number) % DATABASES}"))


class Services:
    """Turns `Missing` into a skip or a failure, wherever a test raises it, and lets failures tell of services."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        return (yield from self._translated(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        return (yield from self._translated(item))

    def _translated(self, item: pytest.Item) -> Generator[None, None, None]:
        __tracebackhide__ = True
        try:
            return (yield)
        except Exception as error:
            block = sys.modules.get("tidings.testing.services.block")
            if block is None or not isinstance(error, block.Missing):
                raise
            # "redis is not installed: …" begins with the name of the service.
            absent(item.config, str(error).partition(" ")[0], str(error))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed and is_coroutine_nobody_awaits(item, report):
            report.sections.append(("asynchronous tests", ASYNCHRONOUS))
        elif report.failed:
            report.sections.extend(sections(getattr(item, "funcargs", {})))
        return report


def is_coroutine_nobody_awaits(item: pytest.Item, report: pytest.TestReport) -> bool:
    """Whether a test has failed because pytest runs no coroutine: it did not begin, and no service is the cause."""
    return inspect.iscoroutinefunction(getattr(item, "obj", None)) and NOT_RUN in report.longreprtext


def sections(arguments: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Title and text for every service among a test's fixtures, each once."""
    block = sys.modules.get("tidings.testing.services.block")
    if block is None:
        return
    seen: dict[int, tuple[str, Any]] = {}
    for name, value in arguments.items():
        if isinstance(value, block.Block):
            seen.setdefault(id(value), (name, value))
    for name, service in seen.values():
        yield f"service {name}", service.report()
