"""Thousands of clients in one process, which count and do not remember."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from ssl import SSLContext
from types import TracebackType
from typing import NamedTuple, Self

from tidings.testing.clients.crowd.limits import shortage
from tidings.testing.clients.crowd.member import Member
from tidings.testing.clients.crowd.script import PlainScript, Script
from tidings.testing.clients.crowd.wire import TEXT, request
from tidings.testing.clients.socket import PORTS, websocket_address
from tidings.testing.clients.transcript import Direction, Frame

FAREWELL = 2.0
"""Seconds for the servers' halves of the closing; who is there after that is cut off."""

NAMED = 10
"""How many clients a failure names."""


class Failure(NamedTuple):
    """A client that did not become ready, or was closed before the crowd left."""

    number: int
    reason: str


class CrowdError(AssertionError):
    """A crowd did not do as the test expects. Says how many clients, and what the first of them say."""


class ManyClients:
    """So many clients of one address, each of which follows the script.

        async with ManyClients(1000, node.websocket, script=CentrifugeScript("news", token=token)) as crowd:
            …
            await crowd.wait_all(10)
            assert not crowd.violations

    At most `concurrency` open at a time, each within `patience` seconds. All have to become ready; with
    `may_fail` those that do not are only in `failures`. `on_frame` hears every message with the number of its client,
    and costs time for each.
    """

    def __init__(
        self,
        count: int,
        url: str,
        *,
        script: Script | None = None,
        headers: Mapping[str, str] | None = None,
        ssl: SSLContext | None = None,
        concurrency: int = 100,
        patience: float = 10.0,
        may_fail: bool = False,
        on_frame: Callable[[int, Frame], None] | None = None,
    ) -> None:
        if count < 1 or concurrency < 1:
            raise ValueError(f"a crowd is of 1 client at least and opens 1 at a time, not {count} and {concurrency}")
        self._address = websocket_address(url)
        self._host = self._address.hostname or ""
        self.url = url
        self.script: Script = PlainScript() if script is None else script
        self.members = [Member(self, number) for number in range(count)]
        self.failures: list[Failure] = []
        self.patience = patience
        self.request = request(self._address, headers or {}, self.script.subprotocol)
        self._ssl = ssl if self._address.scheme != "wss" or ssl is not None else True
        self._concurrency = concurrency
        self._may_fail = may_fail
        self._on_frame = on_frame
        self.is_leaving = False
        self.began = time.monotonic()
        self._opening, self._latencies = array("d"), array("d")
        self._wanted = 0
        self._behind: set[int] = set()
        self._caught_up: asyncio.Future[None] | None = None
        self._connected = 0
        self._all_gone: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<ManyClients at {self.url}, {self.ready:,} of {len(self.members):,} ready, {self.received:,} received>"

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, number: int) -> Member:
        return self.members[number]

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members)

    # Numbers.

    @property
    def ready(self) -> int:
        """How many are connected and have had their greeting answered."""
        return sum(member.is_ready for member in self.members)

    @property
    def received(self) -> int:
        """How many messages have come to all together."""
        return sum(member.received for member in self.members)

    @property
    def violations(self) -> int:
        """How many messages came after a later one of their stream, or twice to the same client."""
        return sum(member.violations for member in self.members)

    @property
    def missed(self) -> int:
        """How many places of their streams were passed over, by all clients together."""
        return sum(member.missed for member in self.members)

    @property
    def closes(self) -> Counter[int]:
        """How many connections have ended, by code."""
        return Counter(member.closing.code for member in self.members if member.closing is not None)

    @property
    def opening_latencies(self) -> list[float]:
        """Seconds from the first packet until ready, of each client that became it, in the order in which they did."""
        return self._opening.tolist()

    @property
    def latencies(self) -> list[float]:
        """Seconds from the stamp in a message until it came, of each message that has one."""
        return self._latencies.tolist()

    # What a test does.

    async def open(self) -> None:
        """Open all, once. Raises `CrowdError` if one does not become ready, and has then closed the others."""
        if self.is_leaving or self._opening or self.failures:
            raise CrowdError("A crowd opens once, since it counts from its beginning: make another ManyClients.")
        if lack := await asyncio.to_thread(shortage, len(self.members)):
            raise CrowdError(lack)
        left = iter(self.members)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._concurrency, len(self.members))):
                    group.create_task(self._open_one_after_another(left))
        except BaseException:
            await self.close()
            raise
        if self.failures and not self._may_fail:
            lines = self._first([f"#{number}: {reason}" for number, reason in self.failures])
            await self.close()
            raise CrowdError(f"{len(self.failures):,} of {len(self):,} clients did not become ready:\n{lines}")

    async def wait_all(self, count: int, *, timeout: float | None = None) -> None:
        """Wait until every client that became ready has received so many messages in all.

        Raises `CrowdError` if that takes longer than `timeout` seconds, or cannot happen any more because one that
        has fewer was closed, or none ever became ready. One wait at a time: another is a `RuntimeError`.
        """
        limit = self.patience if timeout is None else timeout
        if self._caught_up is not None:
            raise RuntimeError("This crowd is waited for already; wait for it once more after that.")
        if not any(member.was_ready for member in self.members):
            raise CrowdError(f"None of {len(self):,} clients became ready, so that there is nobody to wait for.")
        self._wanted = count
        self._behind = {one.number for one in self.members if one.was_ready and one.received < count}
        self._caught_up = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limit):
                if self._behind and not self._gone():
                    await self._caught_up
        except TimeoutError:
            pass
        finally:
            self._caught_up = None
        if self._behind:
            raise CrowdError(self._laggards(count, limit))

    async def wait_closed(self, *, timeout: float | None = None) -> Counter[int]:
        """Wait until every connection has ended, and return how many have, by code.

        Raises `CrowdError` if that takes longer than `timeout` seconds.
        """
        limit = self.patience if timeout is None else timeout
        if not await self._are_gone(limit):
            lines = self._first([f"#{one.number}: {one.state}" for one in self.members if one.closing is None])
            raise CrowdError(
                f"{self._connected:,} of {len(self):,} clients were not closed within {limit:g} s:\n{lines}"
            )
        return self.closes

    def send(self, value: object) -> None:
        """Let every client that is ready send a value: `bytes` and `str` as they are, anything else as JSON."""
        for member in self.members:
            if member.is_ready:
                member.send(value)

    async def close(self) -> None:
        """Close all, and wait until nothing is left. Repeating it is harmless."""
        self.is_leaving = True
        for member in self.members:
            member.leave()
        if not await self._are_gone(FAREWELL):
            for member in self.members:
                member.abort()
            await self._are_gone(FAREWELL)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # What members report.

    def made(self) -> None:
        self._connected += 1

    def observe(self, member: Member, content: bytes, opcode: int) -> None:
        if self._on_frame is not None:
            said = content.decode(errors="replace") if opcode == TEXT else content
            self._on_frame(member.number, Frame(time.monotonic() - self.began, Direction.RECEIVED, said))

    def counted(self, member: Member, stamp: float | None) -> None:
        if stamp is not None:
            self._latencies.append(time.monotonic() - stamp)
        if self._caught_up is not None and member.received >= self._wanted:
            self._behind.discard(member.number)
            if not self._behind:
                self._wake()

    def lost(self, member: Member) -> None:
        self._connected -= 1
        if self._connected == 0 and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)
        if member.was_ready and not self.is_leaving:
            self.failures.append(Failure(member.number, member.refused or f"was closed ({member.closing})"))
        if member.number in self._behind:
            self._wake()

    # Private steps.

    async def _open_one_after_another(self, left: Iterator[Member]) -> None:
        for member in left:
            began = time.monotonic()
            try:
                async with asyncio.timeout(self.patience):
                    await self._open(member)
            except TimeoutError:
                member.refused = f"was not ready within {self.patience:g} s"
            except (OSError, UnicodeError) as error:
                member.refused = str(error)
            if member.refused:
                self.failures.append(Failure(member.number, member.refused))
                member.abort()
            else:
                self._opening.append(time.monotonic() - began)

    async def _open(self, member: Member) -> None:
        loop = asyncio.get_running_loop()
        member.settled = loop.create_future()
        port = self._address.port or PORTS[self._address.scheme]
        await loop.create_connection(lambda: member, self._host, port, ssl=self._ssl)
        await member.settled
        member.settled = None

    def _gone(self) -> bool:
        """Whether somebody who is behind will never catch up."""
        return any(self.members[number].closing is not None for number in self._behind)

    def _wake(self) -> None:
        if self._caught_up is not None and not self._caught_up.done():
            self._caught_up.set_result(None)

    async def _are_gone(self, timeout: float) -> bool:
        self._all_gone = asyncio.get_running_loop().create_future()
        if self._connected:
            await asyncio.wait([self._all_gone], timeout=timeout)
        return self._connected == 0

    def _laggards(self, count: int, limit: float) -> str:
        behind = [self.members[number] for number in sorted(self._behind)]
        gone = sum(member.closing is not None for member in behind)
        why = f"{gone:,} were closed before" if gone else f"not within {limit:g} s"
        lines = self._first([f"#{one.number}: {one.received:,}, {one.state}" for one in behind])
        return f"{len(behind):,} of {len(self):,} clients have not received {count:,} messages, {why}:\n{lines}"

    def _first(self, lines: list[str]) -> str:
        more = [f"… and {len(lines) - NAMED:,} more"] if len(lines) > NAMED else []
        return "\n".join(f"  {line}" for line in [*lines[:NAMED], *more])
