"""Hubs in this process, with time and facts at hand. Whatever a test opens is stopped after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.gateway.wire import SECRET

from tidings import Tidings
from tidings.clock import ManualClock
from tidings.events import Fact
from tidings.hooks import Hooks

SETTINGS: dict[str, Any] = {
    "auth": {"hmac_secret": SECRET},
    "client": {"personal_channel": False},
    "server": {"drain_timeout": 0.0},
    "channels": {
        "namespaces": {
            "open": {"allow_subscribe_for_client": True, "allow_publish_for_client": True},
            "kept": {"history_size": 10, "history_ttl": 60.0},
            "seen": {"presence": True, "allow_subscribe_for_client": True},
            "shut": {},
        }
    },
}

OpenHub = Callable[..., Awaitable[Tidings]]


class Gates:
    """Where handlers wait until a test lets them go on. A gate that is still shut at the end opens by itself."""

    def __init__(self) -> None:
        self._gates: dict[str, asyncio.Event] = {}
        self.waiting: list[str] = []

    async def wait(self, name: str) -> None:
        self.waiting.append(name)
        await self._gate(name).wait()

    def open(self, name: str) -> None:
        self._gate(name).set()

    def open_all(self) -> None:
        for gate in self._gates.values():
            gate.set()

    def _gate(self, name: str) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def facts() -> list[Fact]:
    """What the hubs of the test announce."""
    return []


@pytest.fixture
async def open_hub(clock: ManualClock, facts: list[Fact]) -> AsyncIterator[OpenHub]:
    """Starts hubs; keyword arguments replace whole sections of the settings."""
    async with AsyncExitStack() as stack:

        async def open_hub(**sections: Any) -> Tidings:
            hub = Tidings(settings={**SETTINGS, **sections}, clock=clock, hooks=Hooks(facts.append))
            return await stack.enter_async_context(hub)

        yield open_hub


@pytest.fixture
async def hub(open_hub: OpenHub) -> Tidings:
    return await open_hub()


@pytest.fixture
async def gates(hub: Tidings) -> AsyncIterator[Gates]:
    gates = Gates()
    yield gates
    gates.open_all()
