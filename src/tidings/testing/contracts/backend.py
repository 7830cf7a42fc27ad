"""The backend under test, two nodes of it, and what all contracts share."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, Self

import pytest
import pytest_asyncio

from tidings.brokers.base import (
    Broker,
    ConnectsNodes,
    KeepsConnections,
    KeepsHistory,
    KeepsPresence,
    KeepsSubscriptions,
)
from tidings.model import ClientInfo, Publication


class FullBroker(Broker, KeepsHistory, KeepsPresence, ConnectsNodes, KeepsConnections, KeepsSubscriptions, Protocol):
    """A broker with every door. A contract opens only the ones that it is about."""


@dataclass(frozen=True)
class Backend:
    """What a contract has to know of a backend.

    `connect` makes a broker that was not started yet; all that it makes see each other. `advance` lets seconds pass for
    the backend, by really waiting unless it is given a better way. It may call `pytest.skip` when that would take too
    long; one test for each way of publishing asks for somewhat more than `IDEMPOTENCY_TTL`.
    """

    connect: Callable[[], Broker]
    advance: Callable[[float], Awaitable[object]] = asyncio.sleep


class Node:
    """One node on the backend: its broker, and everything that the broker has told it.

    Each way of asking waits until there is enough to answer with. When patience runs out it answers with what there is,
    so that a test which compares shows what is missing.
    """

    def __init__(self, broker: Any, patience: float) -> None:
        self.broker: FullBroker = broker
        self.epochs: defaultdict[str, set[str]] = defaultdict(set)
        self.threads: set[int] = set()
        self.resumed: set[str] = set()
        self.messages: list[bytes] = []
        self.interruptions: list[str] = []
        self._log: defaultdict[str, list[tuple[str, Publication | ClientInfo]]] = defaultdict(list)
        self._patience = patience
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.broker.start(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.broker.stop()

    async def told(self, channel: str, count: int) -> list[tuple[str, Publication | ClientInfo]]:
        """Everything about a channel so far, at least `count` of "publication", "join" and "leave", each with what."""
        await self._until(lambda: len(self._log[channel]) >= count)
        return list(self._log[channel])

    async def heard(self, channel: str, count: int) -> list[Publication]:
        """The publications of a channel so far, at least `count`."""
        await self._until(lambda: len(self._publications(channel)) >= count)
        return self._publications(channel)

    async def heard_data(self, channel: str, count: int) -> list[bytes]:
        """The payloads of a channel so far, at least `count`."""
        return [publication.data for publication in await self.heard(channel, count)]

    async def heard_until(self, channel: str, data: bytes) -> list[bytes]:
        """The payloads of a channel so far, `data` among them."""
        await self._until(lambda: any(publication.data == data for publication in self._publications(channel)))
        return [publication.data for publication in self._publications(channel)]

    async def messages_heard(self, count: int) -> list[bytes]:
        """What other nodes have sent to this one so far, at least `count`."""
        await self._until(lambda: len(self.messages) >= count)
        return list(self.messages)

    def _publications(self, channel: str) -> list[Publication]:
        return [what for _, what in self._log[channel] if isinstance(what, Publication)]

    async def _until(self, enough: Callable[[], bool]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while not enough():
                    self._news.clear()
                    await self._news.wait()

    # The receiver.

    def on_publication(self, channel: str, publication: Publication, epoch: str) -> None:
        self.epochs[channel].add(epoch)
        self._note(channel, "publication", publication)

    def on_join(self, channel: str, info: ClientInfo) -> None:
        self._note(channel, "join", info)

    def on_leave(self, channel: str, info: ClientInfo) -> None:
        self._note(channel, "leave", info)

    def on_resumed(self, channels: Collection[str]) -> None:
        self.resumed.update(channels)
        self._news.set()

    def on_interrupted(self, reason: str) -> None:
        self.interruptions.append(reason)
        self._news.set()

    def on_message(self, message: bytes) -> None:
        self.messages.append(message)
        self._news.set()

    def _note(self, channel: str, kind: str, what: Publication | ClientInfo) -> None:
        self.threads.add(threading.get_ident())
        self._log[channel].append((kind, what))
        self._news.set()


@pytest.mark.asyncio
class Contract:
    """The fixtures of all contracts. A subclass adds `backend`."""

    unit = 10.0
    """Seconds that the tests of leases and expiry count in; they take up to ten units, and bear an error of one."""

    patience = 5.0
    """Seconds to wait for what a node is to be told, before the test goes on without."""

    @pytest.fixture
    def backend(self) -> Backend:
        """The backend under test."""
        pytest.fail("a contract needs the fixture `backend`; see tidings.testing.contracts", pytrace=False)

    @pytest_asyncio.fixture
    async def node(self, backend: Backend) -> AsyncIterator[Node]:
        """A running node."""
        async with Node(backend.connect(), self.patience) as node:
            yield node

    @pytest_asyncio.fixture
    async def other(self, backend: Backend) -> AsyncIterator[Node]:
        """Another running node on the same backend."""
        async with Node(backend.connect(), self.patience) as other:
            yield other

    @pytest.fixture
    def channel(self) -> str:
        """A channel that nobody has used before."""
        return f"contract:{secrets.token_hex(8)}"
