"""A line that comes back: connected again and again, for as long as it is wanted.

A breaker governs the attempts. Callers wait for the line as long as they like; those who wait go on in the order in
which they came. A server that says nothing is found out by asking it: a half-open connection looks like a quiet one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from tidings.balancer.breaker import Breaker

PAUSE_LIMIT = 0.5
"""Seconds between two attempts at most; publications wait for the next one."""

STALLED = 1.0
"""Seconds without a sign of life, while one is due, after which a server counts as away for those who would wait."""

GRACE = 0.2
"""Seconds that an attempt to connect gets to end by itself when nobody wants the line any more."""

OnLost = Callable[[str], None]


class LineLost(Exception):
    """The connection ended before the answer came. `sent` says whether the server may have seen what was asked."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class Refusal(Exception):
    """The server is there, and says no."""


class Line(Protocol):
    """One connection to a server, used until it is lost."""

    def quiet(self) -> float:
        """For how many seconds an answer has been due without a sign of life; 0 while none is due."""

    def nudge(self) -> None:
        """Ask for a sign of life that nobody waits for. Raises `LineLost`."""

    def end(self, reason: str) -> None:
        """Give the connection up, for a reason that the waiting callers hear. Repeating it is harmless."""

    async def close(self) -> None:
        """Let go of what is left. Comes after `end`."""


L = TypeVar("L", bound=Line)

Opening = Callable[[OnLost], Awaitable[L]]
"""Opens a line: connected, introduced, and fit for use. `OnLost` hears the end, once.

Raises `OSError`, `LineLost` or `Refusal` when it cannot be had now.
"""


class Vigilance(Struct, frozen=True):
    """How soon a server that says nothing is found out, in seconds.

    A line has `connect_timeout` until it is open: name, handshakes, introduction; and `resume_timeout` for what has to
    be done before anybody may use it. It is given up when a reply has been due for `silence` without a sign of life;
    after `probe_interval` the server is asked for one. `look_interval` is how often a line is looked at.
    """

    connect_timeout: float = 3.0
    resume_timeout: float = 3.0
    silence: float = 3.0
    probe_interval: float = 5.0
    look_interval: float = 0.5


class Link(Generic[L]):
    """Keeps a line up. Made and used in one loop.

    `open_line` opens it, `on_up` is awaited before anybody else may use it, `on_down` hears why a line that was up is
    so no longer.
    """

    def __init__(
        self,
        name: str,
        open_line: Opening[L],
        *,
        on_up: Callable[[L], Awaitable[None]] | None = None,
        on_down: Callable[[str], None] | None = None,
        breaker: Breaker | None = None,
        vigilance: Vigilance | None = None,
    ) -> None:
        self._name = name
        self._open_line = open_line
        self._on_up = on_up
        self._on_down = on_down or (lambda reason: None)
        self._breaker = breaker or Breaker(cap=PAUSE_LIMIT)
        self._vigilance = vigilance or Vigilance()
        self._line: L | None = None
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._gone = ""
        self._is_connecting = False
        self.reason = "not connected yet"
        """Why there is no line, for people; "" while there is one."""

    def __repr__(self) -> str:
        return f"<Link {self._name}: {self.reason or 'up'}>"

    # Life.

    def start(self) -> None:
        """Begin to connect. Repeating it is harmless."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep_up(), name=f"link {self._name}")

    async def stop(self, reason: str) -> None:
        """Let go, for good. Whoever waits for the line or for an answer gets `LineLost`."""
        self._gone = reason
        self._up.set()
        if self._task is not None:
            if self._is_connecting:
                # Left to end by itself: the loop would complain of a handshake that fails as it is cancelled.
                await asyncio.wait([self._task], timeout=GRACE)
            self._task.cancel()
            await asyncio.wait([self._task])
        self.reason = reason

    # The line.

    @property
    def line(self) -> L | None:
        """The line, while it is up."""
        return self._line

    @property
    def is_away(self) -> bool:
        """Whether there is no line, or one that says nothing though it should."""
        return self._line is None or self._line.quiet() > STALLED

    async def wait(self) -> L:
        """The line, as soon as it is up. Cancel it to wait no longer. Raises `LineLost` when it will never be."""
        while self._line is None:
            if self._gone:
                raise LineLost(self._gone, sent=False)
            await self._up.wait()
        return self._line

    # Private steps.

    async def _keep_up(self) -> None:
        loop = asyncio.get_running_loop()
        # A library below may swallow a cancellation, so being cancelled is not enough to end.
        while not self._gone:
            if not self._breaker.attempt(loop.time()):
                await asyncio.sleep(max(0.0, (self._breaker.deadline() or 0.0) - loop.time()))
                continue
            lost: asyncio.Future[str] = loop.create_future()
            self._is_connecting = True
            try:
                line = await self._connect(lost)
            except (OSError, LineLost, Refusal) as error:
                self.reason = self._complaint(error)
                self._breaker.failed(loop.time())
                continue
            finally:
                self._is_connecting = False
            self._breaker.succeeded()
            self._line, self.reason = line, ""
            self._up.set()
            try:
                self.reason = self._gone or await self._watch(line, lost)
            finally:
                self._drop(self.reason)
                line.end(self._gone or self.reason)
                await line.close()
            # Not at once: whoever else has lost this server has lost it at the same moment.
            self._breaker.failed(loop.time())
            self._on_down(self.reason)

    def _drop(self, reason: str) -> None:
        self._line, self.reason = None, reason
        if not self._gone:
            self._up.clear()

    async def _connect(self, lost: asyncio.Future[str]) -> L:
        """A line that is up, or nothing is left of the attempt."""

        def note(reason: str) -> None:
            if not lost.done():
                lost.set_result(reason)
            # At once: whoever hears of the loss and tries again must not get the same line, which would raise without
            # a turn of the loop in between.
            if line is not None and self._line is line:
                self._drop(reason)

        line: L | None = None
        try:
            async with asyncio.timeout(self._vigilance.connect_timeout):
                line = await self._open_line(note)
            if self._on_up is not None:
                async with asyncio.timeout(self._vigilance.resume_timeout):
                    await self._on_up(line)
            if lost.done():
                raise LineLost(lost.result(), sent=False)
        except BaseException as error:
            if line is not None:
                line.end(str(error))
                await line.close()
            raise
        return line

    async def _watch(self, line: L, lost: asyncio.Future[str]) -> str:
        """Wait until the line is lost, and say why. Sees to it that a dead one is."""
        loop, vigilance = asyncio.get_running_loop(), self._vigilance
        probe_at = loop.time() + vigilance.probe_interval
        while not lost.done():
            await asyncio.wait([lost], timeout=vigilance.look_interval)
            if line.quiet() > vigilance.silence:
                line.end(f"the server did not answer within {vigilance.silence:g} s")
            elif loop.time() >= probe_at and not lost.done():
                probe_at = loop.time() + vigilance.probe_interval
                with suppress(LineLost):
                    line.nudge()
        return lost.result()

    def _complaint(self, error: Exception) -> str:
        # TimeoutError is an OSError too, and says nothing.
        if isinstance(error, TimeoutError) and not str(error):
            return f"no answer within {self._vigilance.connect_timeout:g} s"
        return str(error) or type(error).__name__
