"""The other end of a line: says exactly the bytes that a test writes down, and checks what it hears."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from tidings.brokers.redis.line import Line, Push

PATIENCE = 5.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: whoever closes does not say good-bye."""


def command(*words: bytes) -> bytes:
    """A command as it goes over the line."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class Peer:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection

    async def hears(self, *commands: bytes) -> None:
        """Read these commands, and nothing beyond them."""
        expected = b"".join(commands)
        heard = b""
        while len(heard) < len(expected):
            more = await self._read(len(expected) - len(heard))
            assert more, f"the end came after {heard!r}"
            heard += more
        assert heard == expected

    async def says(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.connection, data)

    async def hears_the_end(self) -> None:
        """Read until the other end has closed, or broken, the connection."""
        try:
            while await self._read(65536):
                pass
        except ConnectionError:
            return

    def hears_nothing(self) -> bool:
        """Whether nothing has been sent that was not read."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True

    def heard_at_once(self) -> bytes:
        """What can be read without waiting."""
        return self.connection.recv(65536)

    def close(self) -> None:
        self.connection.close()

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.connection.close()

    async def _read(self, limit: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().sock_recv(self.connection, limit)


class Call:
    """A line with what it said unasked, and how it ended."""

    def __init__(self) -> None:
        self.pushes: list[Push] = []
        self.endings: list[str] = []
        self._over = asyncio.Event()
        self.line = Line(self.pushes.append, self.on_lost)

    def on_lost(self, reason: str) -> None:
        self.endings.append(reason)
        self._over.set()

    async def over(self) -> str:
        """Why it ended, as soon as it has."""
        async with asyncio.timeout(PATIENCE):
            await self._over.wait()
        return self.endings[-1]


@asynccontextmanager
async def call() -> AsyncIterator[tuple[Call, Peer]]:
    """A line, and who is at its other end."""
    ours, theirs = socket.socketpair()
    loop, one = asyncio.get_running_loop(), Call()
    await loop.create_unix_connection(lambda: one.line, sock=ours)
    peer = Peer(theirs)
    try:
        yield one, peer
    finally:
        peer.close()
        one.line.end("the test is over")
        await one.over()


class Place:
    """A port of this machine, where a test receives visitors."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._peers: list[Peer] = []

    async def visitor(self) -> Peer:
        """The next to connect."""
        async with asyncio.timeout(PATIENCE):
            connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        self._peers.append(Peer(connection))
        return self._peers[-1]

    def shut(self) -> None:
        """From now on, connections are refused."""
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shut()
        for peer in self._peers:
            peer.close()
