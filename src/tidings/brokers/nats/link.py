"""A line that comes back: connected again and again, for as long as it is wanted.

A breaker governs the attempts, of which each goes to the next of the servers. Callers wait for the line as long as they
like. A server that says nothing is found out by asking it: a half-open connection looks like a quiet one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tidings.balancer.breaker import Breaker
from tidings.brokers.nats.line import CONNECT_TIMEOUT, Line, LineLost, OnLost, forget

RESUME_TIMEOUT = 30.0
"""Seconds for asking for all channels anew."""

SILENCE = 3.0
"""Seconds that a due confirmation may be without a sign of life before the line is given up."""

STALLED = 1.0
"""Seconds of the same after which the server counts as away, for the limit of those who wait."""

PROBE_INTERVAL = 5.0
"""Seconds of idleness after which the server is asked for a sign of life."""

WATCH_INTERVAL = 0.5

PAUSE_LIMIT = 1.0
"""Seconds between two attempts at most; publications wait for the next one."""

Opening = Callable[[OnLost], Awaitable[Line]]
"""Opens a line. Raises `OSError` when it cannot be had now."""


class Link:
    """Keeps a line up. Made and used in one loop.

    `on_up` is awaited before anybody else may use a new line; `on_down` hears why one that was up is so no longer.
    """

    def __init__(
        self, open_line: Opening, *, on_up: Callable[[Line], Awaitable[None]], on_down: Callable[[str], None]
    ) -> None:
        self._open_line = open_line
        self._on_up = on_up
        self._on_down = on_down
        self._breaker = Breaker(cap=PAUSE_LIMIT)
        self._line: Line | None = None
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._gone = ""
        self.reason = "not connected yet"
        """Why there is no line, for people; "" while there is one."""

    def __repr__(self) -> str:
        return f"<Link: {self.reason or 'up'}>"

    # Life.

    def start(self) -> None:
        """Begin to connect. Repeating it is harmless."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep_up(), name="link to NATS")

    async def stop(self, reason: str) -> None:
        """Let go, for good. Whoever waits for the line or for a confirmation gets `LineLost`."""
        self._gone = reason
        self._up.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self.reason = reason

    # The line.

    @property
    def line(self) -> Line | None:
        """The line, while it is up."""
        return self._line

    @property
    def is_away(self) -> bool:
        return self._line is None or self._line.quiet() > STALLED

    async def wait(self) -> Line:
        """The line, as soon as it is up. Cancel it to wait no longer. Raises `LineLost` when it will never be."""
        while self._line is None:
            if self._gone:
                raise LineLost(self._gone, sent=False)
            await self._up.wait()
        return self._line

    # Private steps.

    async def _keep_up(self) -> None:
        loop = asyncio.get_running_loop()
        # nats-py swallows a cancellation here and there, so being cancelled is not enough to end.
        while not self._gone:
            if not self._breaker.attempt(loop.time()):
                await asyncio.sleep(max(0.0, (self._breaker.deadline() or 0.0) - loop.time()))
                continue
            lost: asyncio.Future[str] = loop.create_future()
            try:
                line = await self._connect(lost)
            except (OSError, LineLost) as error:
                self.reason = str(error) or f"no answer within {CONNECT_TIMEOUT} s"
                self._breaker.failed(loop.time())
                continue
            self._breaker.succeeded()
            self._line, self.reason = line, ""
            self._up.set()
            try:
                self.reason = await self._watch(line, lost)
            finally:
                line.end(self._gone or self.reason)
                await line.close()
            self._on_down(self.reason)

    async def _connect(self, lost: asyncio.Future[str]) -> Line:
        """A line that is up, or nothing is left of the attempt."""

        def note(reason: str) -> None:
            # Before any caller goes on, who would try the same line again.
            lost.set_result(reason)
            self._line, self.reason = None, reason
            if not self._gone:
                self._up.clear()

        line = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                line = await self._open_line(note)
            async with asyncio.timeout(RESUME_TIMEOUT):
                await self._on_up(line)
            if lost.done() or self._gone:
                raise LineLost(self._gone or lost.result(), sent=False)
        except BaseException as error:
            if line is not None:
                line.end(str(error))
                await line.close()
            raise
        return line

    async def _watch(self, line: Line, lost: asyncio.Future[str]) -> str:
        """Wait until the line is lost, and say why. Sees to it that a dead one is."""
        loop = asyncio.get_running_loop()
        probe_at = loop.time() + PROBE_INTERVAL
        while not lost.done():
            await asyncio.wait([lost], timeout=WATCH_INTERVAL)
            if line.quiet() > SILENCE:
                line.end(f"the server did not answer within {SILENCE:g} s")
            elif loop.time() >= probe_at and not lost.done():
                probe_at = loop.time() + PROBE_INTERVAL
                with suppress(LineLost):
                    line.probe().confirmed.add_done_callback(forget)
        return lost.result()
