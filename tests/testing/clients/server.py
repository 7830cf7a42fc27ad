"""A small WebSocket server in the loop of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """The address of a server that does this with every connection."""
    options.setdefault("compression", None)
    async with serve(handler, "127.0.0.1", 0, ping_interval=None, close_timeout=2.0, **options) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/room"


async def echo(connection: ServerConnection) -> None:
    """Say everything back."""
    async for message in connection:
        await connection.send(message)


async def until(condition: Callable[[], bool]) -> None:
    """Ask until something is true."""
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.005)


class Ending:
    """A handler that waits for the end of the connection, and knows it."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.reason: str | None = None
        self.cause: BaseException | None = None
        self.connection: ServerConnection | None = None
        self.came = asyncio.Event()

    async def __call__(self, connection: ServerConnection) -> None:
        self.connection = connection
        try:
            while True:
                await connection.recv()
        except ConnectionClosed as error:
            self.code, self.reason, self.cause = connection.close_code, connection.close_reason, error.__cause__
            self.came.set()
