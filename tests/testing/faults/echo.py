"""A server that sends back what it gets, and a client of it, in plain asyncio streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Echo:
    """What it got, and how its connections ended."""

    def __init__(self) -> None:
        self.port = 0
        self.received = b""
        self.ends: asyncio.Queue[str] = asyncio.Queue()
        """"finished" or "reset", one for each connection that has ended."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = "reset"
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                self.received += data
                writer.write(data)
                await writer.drain()
            end = "finished"
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self.ends.put_nowait(end)


@asynccontextmanager
async def echoing() -> AsyncIterator[Echo]:
    """Ends when all its connections have."""
    echo = Echo()
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(echo.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
    echo.port = server.sockets[0].getsockname()[1]
    try:
        yield echo
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks)


class Caller:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, data: bytes) -> bytes:
        """Send something, and wait for as much."""
        if self.writer.is_closing():
            raise ConnectionResetError  # uvloop would say so in another way.
        self.writer.write(data)
        return await self.reader.readexactly(len(data))

    async def end(self) -> str:
        """How the connection ends: "finished", or "reset"."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            return "reset"
        return "finished"


@asynccontextmanager
async def calling(address: str) -> AsyncIterator[Caller]:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def until(condition, *, timeout: float = 5.0) -> None:  # type: ignore[no-untyped-def]
    """Let others have their turn until something is true. Raises `TimeoutError`."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.001)
