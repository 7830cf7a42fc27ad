"""A port that can be opened and closed again within one turn of the loop: closed, it refuses; open, it accepts."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress

from tidings.testing.faults.link import LINGER_NOT

BACKLOG = 1024

GONE = frozenset({errno.ECONNABORTED, errno.EINTR, errno.EAGAIN})
"""Nobody is at the door, or not any more."""

REST = 0.1
"""Seconds to wait when there are no more file descriptors, before the next try."""


class Listener:
    """Hands each socket that it has accepted to `on_client`, in the loop. Raises `OSError` if it cannot listen."""

    def __init__(self, host: str, port: int, *, on_client: Callable[[socket.socket], None]) -> None:
        self._on_client = on_client
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
            self._socket.listen(BACKLOG)
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self._watch()

    def close(self) -> None:
        """Refuse from now on."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _watch(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        while self._is_open:
            try:
                client, _ = self._socket.accept()
            except OSError as error:
                if error.errno not in GONE:
                    self._loop.remove_reader(self._socket)
                    self._loop.call_later(REST, self._watch)
                return
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._on_client(client)


def refuse(client: socket.socket) -> None:
    """Reset somebody who was accepted already."""
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    client.close()
