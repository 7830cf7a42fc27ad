"""What the world's tests stand on: a server in its own process, and in a failure the last lines that it wrote."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator

import pytest
from tests.world.backend import Backend
from tests.world.server import Server, serve, written
from tests.world.settings import SETTINGS, Settings


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for server in vars(item).get("funcargs", {}).values():
            if isinstance(server, Server):
                report.sections.append((repr(server), server.log))
    return report


@pytest.fixture(scope="module")
def settings() -> Settings:
    """The settings of the module's server; a module may bring its own."""
    return SETTINGS


@pytest.fixture(scope="module")
def server(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The module's `tidings serve`."""
    with Server(serve("--config", written(settings, tmp_path_factory.mktemp("server")))) as server:
        yield server


@pytest.fixture(scope="module")
def backend(server: Server) -> Iterator[Backend]:
    """The back end of the module's server."""
    with Backend(server.url) as backend:
        yield backend


@pytest.fixture
def unique() -> str:
    """A part for names of users and channels, so that tests which share a server do not meet."""
    return uuid.uuid4().hex[:8]
