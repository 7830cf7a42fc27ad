"""The bytes to and from a server, as nats-py wants them carried.

Its own transport waits: for a full buffer to drain, for a closed connection to be closed. Behind a server that went
without a word both last for minutes, and an error on the way ends nats-py's tasks without anybody hearing of it. This
one never waits after it is connected and never raises after it has ended: the end is read, once. How much may be under
way is bounded by those who send. And where TLS is asked for, nothing is said without it.
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import ParseResult

from nats.aio.transport import Transport

from tidings.brokers.keepalive import keep_alive


class Wire(Transport):
    """One connection. `must_encrypt` refuses a server that does not offer TLS."""

    def __init__(self, *, must_encrypt: bool) -> None:
        self._is_secret = not must_encrypt
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        # Below TLS, and kept as long: a writer that nobody holds closes its socket.
        self._below: asyncio.StreamWriter | None = None

    def __bool__(self) -> bool:
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        async with asyncio.timeout(connect_timeout):
            self._reader, self._writer = await asyncio.open_connection(uri.hostname, uri.port, limit=buffer_size)
        keep_alive(self._writer.get_extra_info("socket"))

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        assert self._writer is not None, "TLS begins on a connection"
        loop, self._below = asyncio.get_running_loop(), self._writer
        reader = asyncio.StreamReader(limit=buffer_size)
        protocol = asyncio.StreamReaderProtocol(reader)
        name = uri if isinstance(uri, str) else uri.hostname
        async with asyncio.timeout(connect_timeout):
            transport = await loop.start_tls(self._below.transport, protocol, ssl_context, server_hostname=name)
        if transport is None:
            raise ConnectionResetError("the connection ended while TLS began")
        self._reader, self._writer = reader, asyncio.StreamWriter(transport, protocol, reader, loop)
        self._is_secret = True

    # Bytes.

    def write(self, payload: bytes) -> None:
        if not self._is_secret:
            raise ConnectionRefusedError("the server does not offer TLS, which tls:// asks for")
        if self._writer is not None and not self._writer.transport.is_closing():
            self._writer.write(payload)

    def writelines(self, payload: list[bytes]) -> None:
        self.write(b"".join(payload))

    async def read(self, buffer_size: int) -> bytes:
        return b"" if self._reader is None else await self._reader.read(buffer_size)

    async def readline(self) -> bytes:
        return b"" if self._reader is None else await self._reader.readline()

    async def drain(self) -> None:
        """Does not wait; see the module."""

    # The end.

    def at_eof(self) -> bool:
        return self._reader is None or self._reader.at_eof()

    def close(self) -> None:
        """End the connection at once. What has not left yet is dropped, and nobody was told that it had arrived."""
        for writer in (self._writer, self._below):
            if writer is not None:
                writer.transport.abort()

    async def wait_closed(self) -> None:
        """Let the loop close the socket, which after `close` it does in its next turn.

        The streams' own waiting would last for ever when TLS has failed to begin.
        """
        await asyncio.sleep(0)
