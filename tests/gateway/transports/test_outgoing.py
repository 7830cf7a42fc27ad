"""The client for what we ask of others: whatever becomes of its connections, it fails as callers expect."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import uvloop
from tests.gateway.transports.endless import PATIENCE, Endless

from tidings.gateway.transports.outgoing import ANSWER_LIMIT_BYTES, LIMIT, HttpClient, Unreadable

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


# How much of an answer is read.


class Told(httpx2.AsyncBaseTransport):
    """Answers with this, and remembers what it was asked."""

    def __init__(self, content: bytes, **headers: str) -> None:
        self._content, self._headers = content, headers
        self.asked: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        headers = {name.replace("_", "-"): value for name, value in self._headers.items()}
        return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(self._content))


async def ask(told: Told, **options: Any) -> httpx2.Response:
    async with HttpClient(transport=told) as client:
        return await client.get("http://127.0.0.1", **options)


async def test_an_answer_as_long_as_it_may_be() -> None:
    answer = await ask(Told(b"x" * ANSWER_LIMIT_BYTES))
    assert (answer.content, answer.status_code) == (b"x" * ANSWER_LIMIT_BYTES, 200)


async def test_an_answer_that_is_a_byte_longer() -> None:
    """Names the limit, and has what was said before the body."""
    with pytest.raises(Unreadable, match="the answer is longer than 65536 bytes") as raised:
        await ask(Told(b"x" * (ANSWER_LIMIT_BYTES + 1), server="other"))
    assert raised.value.response.headers["server"] == "other"


async def test_a_request_may_have_a_limit_of_its_own() -> None:
    assert len((await ask(Told(b"x" * 100_000), extensions={LIMIT: 100_000})).content) == 100_000
    with pytest.raises(Unreadable, match="longer than 99999 bytes"):
        await ask(Told(b"x" * 100_000), extensions={LIMIT: 99_999})


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP, identity"])
async def test_a_compressed_answer(encoding: str) -> None:
    """A few bytes could be any number of them, so none is asked for, and none is unpacked."""
    told = Told(zlib.compress(b"x" * 1000), content_encoding=encoding)
    with pytest.raises(Unreadable, match="is compressed"):
        await ask(told)
    assert told.asked[0].headers["accept-encoding"] == "identity"


async def test_who_streams_reads_by_himself() -> None:
    """And says himself how much."""
    async with HttpClient(transport=Told(b"x" * 100_000)) as client, client.stream("GET", "http://127.0.0.1") as answer:
        assert len(await answer.aread()) == 100_000


def test_an_answer_without_end_is_hung_up_on() -> None:
    """The connection is not kept, so whoever sends it stops."""

    async def meet(url: str) -> None:
        async with HttpClient(trust_env=False) as client:
            with pytest.raises(Unreadable):
                await client.get(url)
            assert await asyncio.to_thread(endless.hung_up.acquire, timeout=PATIENCE)

    with Endless() as endless:
        uvloop.run(meet(endless.url))
