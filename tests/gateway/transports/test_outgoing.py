"""The client for what we ask of others: whatever becomes of its connections, it fails as callers expect."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import httpx2
import pytest
import uvloop

from tidings.gateway.transports.outgoing import HttpClient

pytestmark = pytest.mark.shell

ATTEMPTS = 100
RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing sends a reset."""


@pytest.fixture
def resetting() -> Iterator[str]:
    """A server that resets every connection which it has accepted."""

    def serve() -> None:
        while True:
            connection, _ = listening.accept()
            with connection:
                if over.is_set():
                    return
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        with socket.create_connection(listening.getsockname()):
            thread.join()


def test_a_connection_that_is_reset_at_once_is_a_failure_of_transport(resetting: str) -> None:
    async def ask() -> None:
        async with HttpClient(trust_env=False) as client:
            for _ in range(ATTEMPTS):
                with pytest.raises(httpx2.TransportError):
                    await client.get(resetting)

    uvloop.run(ask())


class Lost(httpx2.AsyncBaseTransport):
    """As the layers below behave when the socket is gone, or with a fault of their own."""

    def __init__(self, asked: str) -> None:
        self._asked = asked

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        gone = None
        return getattr(gone, self._asked)


@pytest.mark.parametrize(("asked", "error"), [("getpeername", httpx2.ConnectError), ("something_else", AttributeError)])
async def test_only_a_socket_that_is_gone_is_taken_for_one(asked: str, error: type[Exception]) -> None:
    async with HttpClient(transport=Lost(asked)) as client:
        with pytest.raises(error):
            await client.get("http://127.0.0.1")
