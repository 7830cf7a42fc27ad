"""How the workers of a host learn each other's numbers, so that any of them can answer for all.

Each listens on a socket in a directory that only this user can enter, and tells its reading to whoever connects. A
worker that is gone has nobody listening, so nothing of it is told; one that does not answer in time is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from tidings.observability import sums
from tidings.observability.sums import Reading

DEADLINE = 1.0
"""Seconds that the others have together."""


class Exchange:
    """One worker's place in a directory. `read` makes its own reading."""

    def __init__(self, directory: Path, name: str, read: Callable[[], Awaitable[Reading]]) -> None:
        self._directory = directory
        self._own = directory / name
        self._read = read
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises `OSError`."""
        await asyncio.to_thread(self._own.unlink, missing_ok=True)  # Of an earlier worker with this number.
        self._server = await asyncio.start_unix_server(self._tell, self._own)

    async def stop(self) -> None:
        """Tell no more. The last to leave, when nobody else tidies up, removes the directory."""
        if self._server is not None:
            self._server.close()
        await asyncio.to_thread(self._leave)

    async def others(self) -> list[Reading]:
        """What the other workers tell within the deadline."""
        paths = await asyncio.to_thread(lambda: sorted(self._directory.iterdir()))
        asked = await asyncio.gather(*(_ask(path) for path in paths if path != self._own))
        return [reading for reading in asked if reading is not None]

    def _leave(self) -> None:
        with suppress(OSError):
            self._own.unlink(missing_ok=True)
            self._directory.rmdir()

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(sums.encode(await self._read()))
            await writer.drain()
        writer.close()


async def _ask(path: Path) -> Reading | None:
    """The reading of one worker; None of one that is gone, or too busy to answer."""
    writer = None
    try:
        async with asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_unix_connection(path)
            return sums.decode(await reader.read())
    except (OSError, ValueError, TimeoutError):
        return None
    finally:
        if writer is not None:
            writer.close()
