"""A line that comes back: what is there while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from tidings.brokers.redis.line import Line, LineLost, Push
from tidings.brokers.redis.link import Link

pytestmark = pytest.mark.shell

PATIENCE = 5.0


class Moody(asyncio.Protocol):
    """A server that answers every PING, and hangs up on anything else."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if b"PING" in data:
            self.transport.write(b"+PONG\r\n" * data.count(b"PING"))
        else:
            self.transport.close()


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Moody, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def open_line(on_push: Callable[[Push], None], on_lost: Callable[[str], None]) -> Line:
        _, line = await loop.create_connection(lambda: Line(on_push, on_lost), "127.0.0.1", port)
        return line

    link = Link("for the test", open_line)
    link.start()
    yield link
    await link.stop("the test is over")
    server.close()
    await server.wait_closed()


async def test_who_hears_of_the_loss_finds_no_lost_line(link: Link) -> None:
    """Otherwise whoever tries again at once would find it again and again, and the loop would never turn."""
    line = await link.wait()
    with pytest.raises(LineLost) as lost:
        await line.call(b"HANG", b"UP")
    assert lost.value.sent
    assert link.line is not line
    assert link.reason == "the server closed the connection"


async def test_who_tries_again_at_once_succeeds(link: Link) -> None:
    """Many at a time, as publications do that wait for the broker."""

    async def until_answered() -> object:
        first = True
        while True:
            line = link.line or await link.wait()
            try:
                if first:
                    first = False
                    await line.call(b"HANG", b"UP")
                return await line.call(b"PING")
            except LineLost:
                continue

    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*(until_answered() for _ in range(20))) == [b"PONG"] * 20
