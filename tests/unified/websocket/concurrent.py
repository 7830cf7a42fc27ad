"""Many connections of one user, as the requirement names their parts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from tests.world.backend import Backend, token
from tests.world.centrifuge_python.conftest import everything_is_closed
from tests.world.centrifuge_python.listener import PATIENCE, Channel, Encoding, Listener

from tidings.testing import TidingsNode

ASK_AGAIN = 0.02
"""Seconds between two looks at something that has to become true."""


async def eventually(holds: Callable[[], bool], *, what: str) -> None:
    """Ask until it is true."""
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(ASK_AGAIN)
    assert holds(), what


class ConcurrentConnectionManager:
    """Opens and closes the tabs of users: real clients with real tokens, over real sockets."""

    def __init__(self, server: TidingsNode) -> None:
        self._server = server
        self.tabs: list[Listener] = []

    async def __aenter__(self) -> ConcurrentConnectionManager:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*(tab.client.disconnect() for tab in self.tabs))
        await everything_is_closed()

    def tab(self, user: str, *, through: str = "") -> Listener:
        """A tab that has not connected yet; `through` another address than the server's own."""

        async def get_token(*_: object) -> str:
            return token(user)

        tab = Listener(through or self._server.websocket, Encoding.JSON, get_token)
        self.tabs.append(tab)
        return tab

    async def open(self, user: str, count: int) -> list[Listener]:
        """So many connected tabs of a user, opened at the same time."""
        tabs = [self.tab(user) for _ in range(count)]
        await asyncio.gather(*(tab.connect() for tab in tabs))
        return tabs

    async def close(self, tabs: Iterable[Listener]) -> None:
        await asyncio.gather(*(tab.client.disconnect() for tab in tabs))


class ConcurrentMessageBroadcaster:
    """Publishes from the back end, and collects what each tab hears."""

    def __init__(self, backend: Backend, channel: str) -> None:
        self._backend = backend
        self.channel = channel

    async def listen(self, tabs: Iterable[Listener]) -> list[Channel]:
        return list(await asyncio.gather(*(tab.subscribe(self.channel) for tab in tabs)))

    async def broadcast(self, *messages: Any) -> None:
        for message in messages:
            await asyncio.to_thread(self._backend.publish, self.channel, message)

    @staticmethod
    async def heard(channels: Iterable[Channel], count: int) -> list[list[Any]]:
        """The next messages that each of them hears."""
        return list(await asyncio.gather(*(channel.publications(count) for channel in channels)))


class ConcurrentConnectionValidator:
    """Asks the server what it holds, and the system what the server holds."""

    def __init__(self, server: TidingsNode, backend: Backend) -> None:
        self._server = server
        self._backend = backend

    def node(self) -> dict[str, Any]:
        (node,) = self._backend.call("info")["nodes"]
        return dict(node)

    def connections(self) -> int:
        return int(self.node().get("num_clients", 0))

    def present(self, channel: str) -> int:
        return len(self._backend.call("presence", channel=channel)["presence"])

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self._server.process.pid}/fd"))

    async def expect_connections(self, count: int) -> None:
        await eventually(lambda: self.connections() == count, what=f"{count} connections")


class ConnectionLimitManager:
    """Finds out how many connections a user may have."""

    def __init__(self, manager: ConcurrentConnectionManager) -> None:
        self._manager = manager

    async def refused(self, user: str, closed: Callable[[Listener], Awaitable[int]]) -> int:
        """Open one more tab, and return the code with which it is closed."""
        tab = self._manager.tab(user)
        await tab.client.connect()
        return await closed(tab)
