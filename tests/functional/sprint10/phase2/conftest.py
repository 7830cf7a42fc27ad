"""A node of the market-data application, and those who look at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.functional.sprint10.phase2.simulator import NAMESPACES, TickStockPLSimulator
from tests.world.backend import KEY, SECRET, Backend, token

from tidings.testing import Client, TidingsNode
from tidings.testing.clients import Subscription
from tidings.testing.simulators import Planned

PATIENCE = 20.0

Visit = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def client_settings() -> dict[str, Any]:
    """The settings of `[client]`; a test may choose others."""
    return {}


@pytest.fixture
def settings(client_settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "auth": {"hmac_secret": SECRET},
        "api": {"key": KEY},
        "client": client_settings,
        "channels": {"namespaces": NAMESPACES},
    }


@pytest.fixture
def node(settings: dict[str, Any]) -> Iterator[TidingsNode]:
    with TidingsNode(settings) as node:
        yield node


@pytest.fixture
def backend(node: TidingsNode) -> Iterator[Backend]:
    with Backend(node.url) as backend:
        yield backend


@pytest.fixture
def simulator(backend: Backend) -> TickStockPLSimulator:
    return TickStockPLSimulator(backend)


@pytest.fixture
def visit(node: TidingsNode) -> Visit:
    """A user who comes with a token, and leaves at the end of the block."""

    @asynccontextmanager
    async def visit(user: str, **how: Any) -> AsyncIterator[Client]:
        async with Client(node.websocket, token=token(user), name=user, patience=PATIENCE, **how) as client:
            yield client

    return visit


def said(events: list[Planned[Any]], channel: str) -> list[Any]:
    """What those events of a channel look like to whoever is subscribed."""
    values: list[Any] = msgspec.to_builtins([event.data for event in events if event.channel == channel])
    return values


async def heard(subscription: Subscription, count: int) -> list[Any]:
    """The next publications, of which there are no more than so many."""
    values = [publication.data for publication in await subscription.collect(count)]
    assert subscription.unread == []
    return values
