"""Users who come with centrifuge-python, in both encodings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.world.backend import token
from tests.world.centrifuge_python.listener import PATIENCE, Encoding, Listener, Tokens

Arrive = Callable[..., Awaitable[Listener]]


@pytest.fixture(params=Encoding, ids=lambda encoding: encoding.value)
def encoding(request: pytest.FixtureRequest) -> Encoding:
    return request.param


@pytest.fixture
async def introduce(
    websocket: str, encoding: Encoding, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Callable[..., Listener]]:
    """Make a client, to be connected by the test. All leave at the end. What the SDK logs as an error is one."""
    listeners: list[Listener] = []

    def introduce(get_token: Tokens | None = None, *, through: str = "") -> Listener:
        listeners.append(Listener(through or websocket, encoding, get_token))
        return listeners[-1]

    yield introduce
    for listener in listeners:
        await listener.client.disconnect()
    await everything_is_closed()
    assert [record.getMessage() for record in caplog.records if is_error(record)] == []


@pytest.fixture
def arrive(introduce: Callable[..., Listener]) -> Arrive:
    """Connect a user, whose token has these claims; `through` another address than the server's own."""

    async def arrive(user: str, *, through: str = "", **claims: object) -> Listener:
        listener = introduce(Tokens(lambda: token(user, **claims)), through=through)
        await listener.connect()
        return listener

    return arrive


async def everything_is_closed() -> None:
    """The SDK closes its sockets in tasks of its own."""
    if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(tasks, timeout=PATIENCE)


def is_error(record: logging.LogRecord) -> bool:
    return record.name == "centrifuge" and record.levelno >= logging.ERROR
