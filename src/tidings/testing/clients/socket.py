"""One WebSocket, with the ways to misuse it that a test needs: not to read, and to vanish.

The rules of WebSocket are the library's (`websockets`). Nothing here reconnects, pings, or limits what may come.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ssl import SSLContext
from typing import Any
from urllib.parse import SplitResult, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from tidings.testing.clients.transcript import Closing

Data = str | bytes

RECEIVE_BUFFER_BYTES = 65536
"""What the kernel may take in for a client that does not read."""

CLOSE_PATIENCE = 2.0
"""Seconds for the server's half of the closing, after which the connection is cut."""

_ABNORMAL = 1006


PORTS = {"ws": 80, "wss": 443}
"""Where a WebSocket is, by its scheme, if the address does not say it."""


class BadAddress(ValueError):
    """No address of a WebSocket."""


class Refused(Exception):
    """No WebSocket came about. `status` is that of the HTTP answer, 0 where there was none."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class WebSocket:
    """An open WebSocket.

    `hear` gets every message as it comes; what it returns is sent back at once. `lost` is called when the connection
    has ended, however that was, and `fail` in place of that when `hear` raises: the connection is then cut.
    """

    def __init__(
        self,
        connection: ClientConnection,
        file: socket.socket,
        *,
        hear: Callable[[Data], Data | None],
        lost: Callable[[Closing], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._connection = connection
        self._file = file
        self._hear, self._lost, self._fail = hear, lost, fail
        self._stalled = False
        self._reader = asyncio.create_task(self._read())

    @property
    def subprotocol(self) -> str:
        """The one that the server chose, "" for none."""
        return self._connection.subprotocol or ""

    @property
    def is_ended(self) -> bool:
        return self._reader.done()

    async def send(self, data: Data) -> None:
        """Send one message. Returns when the kernel has it. Raises `ConnectionClosed`."""
        await self._connection.send(data)

    def stall(self) -> None:
        """Stop reading. When this side's buffer is full and the server's too, the server's writes wait."""
        self._stalled = True
        if not self._connection.transport.is_closing():
            self._connection.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._stalled = False
        if not self._connection.transport.is_closing():
            self._connection.transport.resume_reading()

    def drop(self) -> None:
        """End TCP by a reset, without a close frame, as a crash or a pulled plug does."""
        with suppress(OSError):
            self._file.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.transport.abort()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close as WebSocket has it, or by a reset where nobody reads; return when nothing is left."""
        if self._stalled:
            # The server's half of the closing would never be read.
            self.drop()
        await self._connection.close(code, reason)
        await asyncio.wait([self._reader])

    async def _read(self) -> None:
        try:
            while True:
                answer = self._hear(await self._connection.recv())
                if answer is not None:
                    await self._connection.send(answer)
        except ConnectionClosed:
            self._end()
        except Exception as error:
            self.drop()
            self._fail(error)

    def _end(self) -> None:
        code = self._connection.close_code
        try:
            self._lost(Closing(_ABNORMAL if code is None else code, self._connection.close_reason or ""))
        except Exception as error:
            self._fail(error)


async def open_socket(
    url: str,
    *,
    headers: Mapping[str, str],
    subprotocols: Sequence[str],
    ssl: SSLContext | None,
    compression: bool,
    timeout: float,
) -> tuple[ClientConnection, socket.socket]:
    """A connection on a socket with a small receive buffer. Raises `Refused`, and has then left nothing open."""
    options: dict[str, Any] = {} if ssl is None else {"ssl": ssl}
    try:
        async with asyncio.timeout(timeout):
            address = websocket_address(url)
            file = await _connected(address.hostname or "", address.port or PORTS[address.scheme])
            try:
                opening = connect(
                    url,
                    sock=file,
                    additional_headers=dict(headers),
                    subprotocols=[Subprotocol(name) for name in subprotocols] or None,
                    compression="deflate" if compression else None,
                    open_timeout=None,
                    ping_interval=None,
                    close_timeout=CLOSE_PATIENCE,
                    max_size=None,
                    max_queue=None,
                    **options,
                )
            except ValueError:
                file.close()
                raise
            # From here on the socket is the transport's, which is aborted if this fails.
            connection = await opening
    except InvalidStatus as error:
        answer = error.response
        body = bytes(answer.body or b"").decode(errors="replace").strip()
        said = f"{answer.status_code} {answer.reason_phrase}" + (f": {body[:200]}" if body else "")
        raise Refused(f"{url} did not accept a WebSocket, and answered {said}", answer.status_code) from error
    except TimeoutError as error:
        raise Refused(f"{url} did not answer within {timeout:g} s.") from error
    except BadAddress as error:
        raise Refused(str(error)) from error
    except ConnectionRefusedError as error:
        raise Refused(f"Nobody listens at {url}: the server is not there, or not yet, or not any more.") from error
    except (OSError, UnicodeError, InvalidHandshake) as error:
        raise Refused(f"No WebSocket at {url}: {error}") from error
    return connection, file


def websocket_address(url: str) -> SplitResult:
    """The parts of an address. Raises `BadAddress`, which is a `ValueError`, if it is not one of a WebSocket."""
    try:
        address = urlsplit(url)
        if address.scheme in PORTS and address.hostname and address.port != 0:
            return address
    except (AttributeError, ValueError):  # A port that is none, brackets that do not close, no text at all.
        pass
    raise BadAddress(f"{url!r} is not the address of a WebSocket; it has to be like ws://127.0.0.1:8000/ws")


async def _connected(host: str, port: int) -> socket.socket:
    """A TCP connection. The size of its buffer counts from the handshake on, so it is set before."""
    loop = asyncio.get_running_loop()
    last = OSError("the name has no address")
    for family, kind, protocol, _, place in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        file = socket.socket(family, kind, protocol)
        try:
            file.setblocking(False)
            file.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            await loop.sock_connect(file, place)
        except OSError as error:
            file.close()
            last = error
        except BaseException:
            file.close()
            raise
        else:
            return file
    raise last
