"""A line between clients and a server that can be cut, and mended."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

CHUNK_BYTES = 65536


class Cable:
    """Carries TCP connections to a port of this machine. While it is cut, new connections end as soon as they begin.

    >>> async with Cable(server.port) as cable:
    ...     client = Client(cable.websocket)
    ...     cable.cut()
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._is_cut = False
        self._transports: set[asyncio.Transport] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._listener.close()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def websocket(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}/connection/websocket"

    def cut(self) -> None:
        """End all connections without a word."""
        self._is_cut = True
        for transport in self._transports:
            transport.abort()
        self._transports.clear()

    def mend(self) -> None:
        self._is_cut = False

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._transports |= {writer.transport, far_writer.transport}
        if self._is_cut:  # meanwhile
            self.cut()
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
