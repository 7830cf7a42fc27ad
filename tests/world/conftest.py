"""What the world's tests stand on: a server in its own process, its back end, and a line to it that can be cut."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.world.backend import Backend
from tests.world.command import ROOT
from tests.world.settings import SETTINGS, Settings

from tidings.testing import AsgiApp, FaultProxy, TidingsNode

MOUNTED = "/realtime/connection/websocket"
"""Where an application that mounts a hub at /realtime has it."""


def hosted(application: str = "tests.world.application:app") -> AsgiApp:
    """An application of these tests under uvicorn, with our protocol class."""
    return AsgiApp(application, folder=ROOT, options=["--ws", "tidings:WebSocketProtocol"])


@pytest.fixture(scope="module")
def settings() -> Settings:
    """The settings of the module's server; a module may bring its own."""
    return SETTINGS


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[TidingsNode]:
    """The module's `tidings serve`."""
    with TidingsNode(settings) as server:
        yield server


@pytest.fixture(scope="module")
def websocket(server: TidingsNode) -> str:
    """Where clients of the module's server connect."""
    return server.websocket


@pytest.fixture(scope="module")
def backend(server: TidingsNode) -> Iterator[Backend]:
    """The back end of the module's server."""
    with Backend(server.url) as backend:
        yield backend


@pytest.fixture
async def proxy(websocket: str) -> AsyncIterator[FaultProxy]:
    """A line to the module's server, that can be cut and mended."""
    async with FaultProxy(websocket) as proxy:
        yield proxy


@pytest.fixture
def unique() -> str:
    """A part for names of users and channels, so that tests which share a server do not meet."""
    return uuid.uuid4().hex[:8]
