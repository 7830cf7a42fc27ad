"""A thousand plain WebSocket clients in one process, as lean as they can be."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Sequence
from typing import cast

HANDSHAKE = (
    "GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Member(asyncio.Protocol):
    """One client: sends its commands after the handshake, and counts the messages that come."""

    def __init__(self, commands: Sequence[bytes]) -> None:
        self.messages: list[bytes] = []
        self._commands = commands
        self._buffer = b""
        self._upgraded = False
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(HANDSHAKE.format(key=base64.b64encode(os.urandom(16)).decode()).encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded and b"\r\n\r\n" in self._buffer:
            head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
            assert head.startswith(b"HTTP/1.1 101"), head
            self._upgraded = True
            self.transport.write(b"".join(map(masked, self._commands)))
        while self._upgraded and (frame := self._frame()) is not None:
            self.messages += frame.split(b"\n")
        self._changed.set()

    async def hear(self, count: int) -> None:
        """Wait until so many messages have come in all."""
        while len(self.messages) < count:
            self._changed.clear()
            await self._changed.wait()

    def _frame(self) -> bytes | None:
        """The next frame of a server, which is short or of medium length and not masked (RFC 6455, section 5.2)."""
        if len(self._buffer) < 4:
            return None
        length, start = self._buffer[1], 2
        if length == 126:
            length, start = int.from_bytes(self._buffer[2:4], "big"), 4
        if len(self._buffer) < start + length:
            return None
        frame, self._buffer = self._buffer[start : start + length], self._buffer[start + length :]
        return frame


def masked(payload: bytes) -> bytes:
    """A text frame of a client. A mask of zeros is a mask."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload


async def crowd(port: int, tokens: Sequence[str], channel: str) -> list[Member]:
    """So many clients, each connected and subscribed to the channel."""
    loop = asyncio.get_running_loop()
    subscribe = json.dumps({"id": 2, "subscribe": {"channel": channel}}).encode()
    members = []
    for token in tokens:
        connect = json.dumps({"id": 1, "connect": {"token": token}}).encode()
        member = Member([connect, subscribe])
        await loop.create_connection(lambda member=member: member, "127.0.0.1", port)
        members.append(member)
    await asyncio.gather(*(member.hear(2) for member in members))
    return members
