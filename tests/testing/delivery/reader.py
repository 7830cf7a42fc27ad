"""A client of the Centrifuge protocol without an SDK, that shows an observer everything it sends and receives.

It comes back by itself when its connection breaks, and reports the positions that it has reached.
"""

from __future__ import annotations

import asyncio
from typing import Any, Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tidings.testing.delivery import Observer, tag_of
from tidings.wire.centrifuge.messages import Command, Reply

PATIENCE = 20.0
RETRY = 0.01


class Reader:
    """Subscribed to `channels` for as long as the block lasts.

    >>> async with Reader(observer, node.websocket, "ann", token, ["kept:news"]) as ann:
    ...     await ann.until(lambda: "p-17" in ann.received)
    """

    def __init__(self, observer: Observer, websocket: str, name: str, token: str, channels: list[str]) -> None:
        self.name = name
        self.received: list[str] = []
        self.live: set[str] = set()
        self.answers: dict[int, Reply] = {}
        self._observer = observer
        self._websocket = websocket
        self._token = token
        self._channels = channels
        self._positions: dict[str, tuple[int, str]] = {}
        self._asked: dict[int, str] = {}
        self._last_id = 0
        self._news = asyncio.Condition()
        self._connection: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._live())
        try:
            await self.until(lambda: self.live == set(self._channels))
        except BaseException:
            self._task.cancel()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def until(self, condition: Any) -> None:
        """Wait until it is true; raises `TimeoutError` when that takes too long."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(condition)

    async def ask(self, **request: Any) -> Reply:
        """The answer to a command."""
        assert self._connection is not None
        number = await self._send(self._connection, **request)
        await self.until(lambda: number in self.answers)
        return self.answers[number]

    # Private steps.

    async def _live(self) -> None:
        while True:
            try:
                async with connect(self._websocket, proxy=None) as self._connection:
                    await self._talk(self._connection)
            except (OSError, InvalidHandshake):
                await asyncio.sleep(RETRY)

    async def _talk(self, connection: ClientConnection) -> None:
        try:
            await self._send(connection, connect={"token": self._token})
            for channel in self._channels:
                offset, epoch = self._positions.get(channel, (0, ""))
                since = {"recover": True, "offset": offset, "epoch": epoch} if epoch else {}
                self._asked[await self._send(connection, subscribe={"channel": channel, **since})] = channel
            async for message in connection:
                await self._read(connection, str(message))
        except ConnectionClosed:
            pass
        finally:
            self.live.clear()
            self._observer.closed(self.name, connection.close_code or 1006)

    async def _send(self, connection: ClientConnection, **request: Any) -> int:
        self._last_id += 1
        message = msgspec.json.encode({"id": self._last_id, **request})
        self._observer.observe(self.name, self.name, msgspec.json.decode(message, type=Command))
        await connection.send(message.decode())
        return self._last_id

    async def _read(self, connection: ClientConnection, message: str) -> None:
        for line in message.splitlines():
            reply = msgspec.json.decode(line, type=Reply)
            self._observer.observe(self.name, self.name, reply)
            self._note(reply)
            if reply == Reply():
                await connection.send("{}")
        async with self._news:
            self._news.notify_all()

    def _note(self, reply: Reply) -> None:
        if reply.id:
            self.answers[reply.id] = reply
        if reply.subscribe is not None:
            channel, result = self._asked[reply.id], reply.subscribe
            self.live.add(channel)
            if result.positioned:
                self._positions[channel] = (result.offset, result.epoch)
            for publication in result.publications:
                self._take(channel, publication)
        if reply.push is not None and reply.push.pub is not None:
            self._take(reply.push.channel, reply.push.pub)

    def _take(self, channel: str, publication: Any) -> None:
        self.received.append(tag_of(bytes(publication.data)).id)
        if publication.offset:
            self._positions[channel] = (publication.offset, self._positions[channel][1])
