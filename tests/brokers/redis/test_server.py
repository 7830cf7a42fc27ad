"""A server of a cluster, as a node hears it: no channel that is wanted stays unheard, and none is heard for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import pytest
from tests.brokers.redis.peer import PATIENCE, Peer, Place, command

from tidings.brokers.redis.line import Line, Push, ReplyError
from tidings.brokers.redis.server import Server, Verbs

pytestmark = pytest.mark.shell

QUESTIONS = command(b"INFO", b"replication") + command(b"TIME")
FACTS = b"role:master\r\nmaster_replid:abc\r\n"
ANSWERS = b"$%d\r\n%b\r\n*2\r\n$1\r\n1\r\n$1\r\n0\r\n" % (len(FACTS), FACTS)


def told(verb: bytes, channel: bytes, count: int = 0) -> bytes:
    """What a server says of a subscription: unasked, or as the answer to a command."""
    return b">3\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n:%d\r\n" % (len(verb), verb, len(channel), channel, count)


class Ears:
    """Somebody who notes what is heard."""

    def __init__(self) -> None:
        self.heard: list[set[str]] = []
        self.evictions = asyncio.Event()

    def on_message(self, name: bytes, content: bytes) -> None: ...

    def on_heard(self, names: Collection[str]) -> None:
        self.heard.append(set(names))

    def on_down(self, reason: str) -> None: ...


@asynccontextmanager
async def listening(ears: Ears, *wanted: str) -> AsyncIterator[tuple[Server, Peer]]:
    """A server whose line for messages is being prepared, and who is at its other end."""
    with Place() as place:

        async def open_line(on_push: Callable[[Push], None], on_lost: Callable[[str], None]) -> Line:
            loop = asyncio.get_running_loop()
            _, line = await loop.create_connection(lambda: Line(on_push, on_lost), "127.0.0.1", place.port)
            return line

        server = Server(
            "test",
            open_line,
            Verbs(sharded=True),
            on_message=ears.on_message,
            on_heard=ears.on_heard,
            on_evicted=ears.evictions.set,
            on_down=ears.on_down,
        )
        server.wanted.update(wanted)
        server.messages.start()
        peer = await place.visitor()
        await peer.hears(QUESTIONS)
        await peer.says(ANSWERS)
        try:
            yield server, peer
        finally:
            await server.stop("the test is over")


async def up(server: Server) -> None:
    async with asyncio.timeout(PATIENCE):
        await server.messages.wait()


async def test_a_channel_that_was_taken_away_is_asked_for_again() -> None:
    """The map may say for a while that the server has it still: it refuses, and is asked until it has it back."""
    ears = Ears()
    async with listening(ears, "news") as (server, peer):
        await peer.hears(command(b"SSUBSCRIBE", b"news"))
        await peer.says(told(b"ssubscribe", b"news", 1))
        await up(server)
        assert server.unheard() == set()
        await peer.says(told(b"sunsubscribe", b"news"))
        async with asyncio.timeout(PATIENCE):
            await ears.evictions.wait()
        assert server.unheard() == {"news"}

        refused = asyncio.create_task(server.catch_up())
        await peer.hears(command(b"SSUBSCRIBE", b"news"))
        await peer.says(b"-MOVED 1 127.0.0.1:1\r\n")
        with pytest.raises(ReplyError, match="MOVED"):
            await refused
        assert server.unheard() == {"news"}

        granted = asyncio.create_task(server.catch_up())
        await peer.hears(command(b"SSUBSCRIBE", b"news"))
        await peer.says(told(b"ssubscribe", b"news", 1))
        await granted
        assert (server.unheard(), ears.heard) == (set(), [{"news"}, {"news"}])


async def test_a_channel_that_another_server_has_is_unheard_there_until_it_is_asked_for() -> None:
    async with listening(Ears()) as (server, peer), listening(Ears(), "news") as (old, other):
        await other.hears(command(b"SSUBSCRIBE", b"news"))
        await other.says(told(b"ssubscribe", b"news", 1))
        await asyncio.gather(up(server), up(old))
        old.hand_over("news", server)
        assert (old.wanted, old.unheard(), server.unheard()) == (set(), set(), {"news"})
        caught_up = asyncio.create_task(server.catch_up())
        await peer.hears(command(b"SSUBSCRIBE", b"news"))
        await peer.says(told(b"ssubscribe", b"news", 1))
        await caught_up
        assert server.unheard() == set()


async def test_a_channel_that_is_not_wanted_any_more_when_it_is_heard() -> None:
    """It was given up while the line was being prepared, when the server could not be told."""
    async with listening(Ears(), "news") as (server, peer):
        await peer.hears(command(b"SSUBSCRIBE", b"news"))
        await server.unsubscribe("news")
        await peer.says(told(b"ssubscribe", b"news", 1))
        await peer.hears(command(b"SUNSUBSCRIBE", b"news"))
        await peer.says(told(b"sunsubscribe", b"news"))
        await up(server)
        assert (server.wanted, server.unheard()) == (set(), set())
