"""One Redis server as a node uses it: a line for calls, and a line for the messages of channels.

Two lines, because the server treats them differently: a subscriber that reads slowly is thrown out, and `CLIENT KILL
TYPE pubsub` shall not make the outcome of a publication unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TypeVar

from tidings.brokers.link import LineLost, Link, OnLost
from tidings.brokers.redis import scripts
from tidings.brokers.redis.keys import slot
from tidings.brokers.redis.line import Line, Push
from tidings.brokers.redis.reign import Reign, read_reign

T = TypeVar("T")

OpenLine = Callable[[Callable[[Push], None], OnLost], Awaitable[Line]]
"""Opens a line, see `Opening`; the first argument gets what the server says unasked."""

CHUNK = 500
"""Channels in one command."""

HEARING_FIRST = 1.0
"""Seconds that calls wait for the line for messages, where both lines were lost."""


class Verbs:
    """The commands of subscribers: the ordinary ones, or those of a cluster, where a channel lives on one server."""

    def __init__(self, *, sharded: bool) -> None:
        self.sharded = sharded
        self.subscribe, self.unsubscribe = (
            (b"SSUBSCRIBE", b"SUNSUBSCRIBE") if sharded else (b"SUBSCRIBE", b"UNSUBSCRIBE")
        )

    def groups(self, names: Iterable[str]) -> Iterator[list[str]]:
        """Names that may be in one command together: in a cluster those of one slot."""
        if not self.sharded:
            yield from _chunks(names, CHUNK)
            return
        by_slot: dict[int, list[str]] = {}
        for name in names:
            by_slot.setdefault(slot(name), []).append(name)
        for group in by_slot.values():
            yield from _chunks(group, CHUNK)


class Server:
    """The two links to a server, and what the node wants to hear from it.

    `on_message` gets a message's channel and content, `on_heard` the channels that are heard from now on: what was said
    in them before may have been missed. `on_evicted` hears that the server does not have a channel any more, `on_down`
    why the server cannot be used.
    """

    def __init__(
        self,
        name: str,
        open_line: OpenLine,
        verbs: Verbs,
        *,
        on_message: Callable[[bytes, bytes], None],
        on_heard: Callable[[Collection[str]], None],
        on_evicted: Callable[[], None],
        on_down: Callable[[str], None],
    ) -> None:
        self.name = name
        self.wanted: set[str] = set()
        self.reign: Reign | None = None
        """Of the master at the other end of the present, or else the last, line for calls."""
        self._last_client = 0
        self._heard: set[str] = set()
        self._verbs = verbs
        self._on_message = on_message
        self._on_heard = on_heard
        self._on_evicted = on_evicted
        self.commands: Link[Line] = Link(
            f"for calls to {name}", partial(open_line, _ignore), on_up=self._prepare, on_down=on_down
        )
        self.messages: Link[Line] = Link(
            f"for messages from {name}", partial(open_line, self._take), on_up=self._resume, on_down=on_down
        )

    def start(self) -> None:
        self.commands.start()
        self.messages.start()

    async def stop(self, reason: str) -> None:
        await asyncio.gather(self.commands.stop(reason), self.messages.stop(reason))

    @property
    def reason(self) -> str:
        """Why it cannot be used, "" when it can."""
        return self.commands.reason or self.messages.reason

    # Channels.

    async def subscribe(self, name: str) -> None:
        """Hear a channel from now on. Raises `LineLost` only when the server is given up, and `ReplyError`."""
        self.wanted.add(name)
        while True:
            line = await self.messages.wait()
            if name in self._heard:
                return
            try:
                await line.listen(self._verbs.subscribe, [name])
            except LineLost:
                continue
            if self.messages.line is line:
                self._heard.add(name)

    async def unsubscribe(self, name: str) -> None:
        """Hear it no longer. A server that is away forgets by itself."""
        self.wanted.discard(name)
        self._heard.discard(name)
        if (line := self.messages.line) is not None:
            try:
                await line.listen(self._verbs.unsubscribe, [name])
            except LineLost:
                return

    def hand_over(self, name: str, to: Server) -> None:
        """Another server has a channel now, and is to `catch_up`."""
        self.wanted.discard(name)
        self._heard.discard(name)
        to.wanted.add(name)

    def unheard(self) -> set[str]:
        """Channels that are wanted and not heard, although the line is up."""
        return self.wanted - self._heard if self.messages.line is not None else set()

    async def catch_up(self) -> None:
        """Hear what is unheard. Raises `ReplyError`; a line that is lost comes back with all channels."""
        line, names = self.messages.line, self.unheard()
        if line is not None and names:
            with suppress(LineLost):
                await self._listen(line, names)

    # Private steps.

    async def _prepare(self, line: Line) -> None:
        reign = await read_reign(line)
        if self.reign is not None and self.reign.id == reign.id:
            await self._fence(line)
        self.reign, self._last_client = reign, line.client_id
        await asyncio.gather(*(line.call(b"SCRIPT", b"LOAD", script.text) for script in scripts.ALL))
        # What waits to be published shall be heard here, too, also where nobody could read it later.
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARING_FIRST):
                await self.messages.wait()
        self._on_heard(())

    async def _fence(self, line: Line) -> None:
        """See to it that nothing more comes of the last line.

        A server that was paused may still have calls of a connection that we gave up, and would carry them out after
        we had repeated them.
        """
        await line.call(b"CLIENT", b"KILL", b"ID", self._last_client)

    async def _resume(self, line: Line) -> None:
        await read_reign(line)
        self._heard = set()
        await self._listen(line, list(self.wanted))

    async def _listen(self, line: Line, names: Collection[str]) -> None:
        for group in self._verbs.groups(names):
            await line.listen(self._verbs.subscribe, group)
            self._heard.update(self.wanted.intersection(group))
            if forgotten := set(group) - self.wanted:  # while we asked for them
                await line.listen(self._verbs.unsubscribe, forgotten)
        self._on_heard(names)

    def _take(self, push: Push) -> None:
        match push:
            case [b"message" | b"smessage", name, content]:
                self._on_message(name, content)
            case [b"sunsubscribe", name, *_]:
                self._heard.discard(name.decode())
                self._on_evicted()


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _ignore(push: Push) -> None:
    """A line for calls is told nothing unasked."""
