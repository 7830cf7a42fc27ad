"""A line that comes back: connected again and again, for as long as it is wanted.

A breaker governs the attempts. Callers wait for the line as long as they like; those who wait go on in the order in
which they came. A server that says nothing is found out in two ways: the kernel's keep-alive, and a probe of our own,
because a half-open connection looks like a quiet one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from msgspec import Struct

from tidings.balancer.breaker import Breaker
from tidings.brokers.redis.line import Line, LineLost, Push, ReplyError

PAUSE_LIMIT = 0.5
"""Seconds between two attempts at most; publications wait for the next one."""

GRACE = 0.2
"""Seconds that an attempt to connect gets to end by itself when nobody wants the line any more."""

KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""After 15 s of silence, three probes 5 s apart; the names of Linux, passed over where a system lacks them."""


class Vigilance(Struct, frozen=True):
    """How soon a server that says nothing is found out, in seconds.

    A line has `connect_timeout` for everything until it is up: name, handshakes, introduction. It is given up when a
    reply has been due for `silence` without a sign of life; after `probe_interval` of idleness the server is asked for
    one. `look_interval` is how often a line is looked at.
    """

    connect_timeout: float = 3.0
    silence: float = 3.0
    probe_interval: float = 5.0
    look_interval: float = 0.5


class Opening(Protocol):
    """How a line is opened: connected, introduced, and fit for use."""

    async def __call__(self, on_push: Callable[[Push], None], on_lost: Callable[[str], None]) -> Line:
        """Raises `OSError`, `LineLost` or `ReplyError` when it cannot be had now."""


class Link:
    """Keeps a line up. Made and used in one loop.

    `open_line` opens it, `on_up` is awaited before anybody else may use it, `on_push` gets what is said unasked,
    `on_down` hears why a line that was up is so no longer.
    """

    def __init__(
        self,
        name: str,
        open_line: Opening,
        *,
        on_up: Callable[[Line], Awaitable[None]] | None = None,
        on_push: Callable[[Push], None] | None = None,
        on_down: Callable[[str], None] | None = None,
        breaker: Breaker | None = None,
        vigilance: Vigilance | None = None,
    ) -> None:
        self._name = name
        self._open_line = open_line
        self._on_up = on_up
        self._on_push = on_push or (lambda push: None)
        self._on_down = on_down or (lambda reason: None)
        self._breaker = breaker or Breaker(cap=PAUSE_LIMIT)
        self._vigilance = vigilance or Vigilance()
        self._line: Line | None = None
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
        """Let go, for good. Whoever waits for the line or for a reply gets `LineLost`."""
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
    def line(self) -> Line | None:
        """The line, while it is up."""
        return self._line

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
        while not self._gone:
            if not self._breaker.attempt(loop.time()):
                await asyncio.sleep(max(0.0, (self._breaker.deadline() or 0.0) - loop.time()))
                continue
            lost: asyncio.Future[str] = loop.create_future()
            self._is_connecting = True
            try:
                line = await self._connect(lost)
            except (OSError, LineLost, ReplyError, TimeoutError) as error:
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
            # Not at once: whoever else has lost this server has lost it at the same moment.
            self._breaker.failed(loop.time())
            self._on_down(self.reason)

    def _drop(self, reason: str) -> None:
        self._line, self.reason = None, reason
        if not self._gone:
            self._up.clear()

    async def _connect(self, lost: asyncio.Future[str]) -> Line:
        """A line that is up, or nothing is left of the attempt."""

        def note(reason: str) -> None:
            if not lost.done():
                lost.set_result(reason)
            # At once: whoever hears of the loss and tries again must not get the same line, which would raise without
            # a turn of the loop in between.
            if line is not None and self._line is line:
                self._drop(reason)

        line: Line | None = None
        try:
            async with asyncio.timeout(self._vigilance.connect_timeout):
                line = await self._open_line(self._on_push, note)
                if self._on_up is not None:
                    await self._on_up(line)
        except BaseException as error:
            if line is not None:
                line.end(str(error))
            raise
        return line

    async def _watch(self, line: Line, lost: asyncio.Future[str]) -> str:
        """Wait until the line is lost, and say why. Sees to it that a dead one is."""
        loop, vigilance = asyncio.get_running_loop(), self._vigilance
        probe_at = loop.time() + vigilance.probe_interval
        while not lost.done():
            await asyncio.wait([lost], timeout=vigilance.look_interval)
            if line.quiet() > vigilance.silence:
                line.end(f"the server did not answer within {vigilance.silence:g} s")
            elif loop.time() >= probe_at:
                probe_at = loop.time() + vigilance.probe_interval
                if not line.waiting:
                    with suppress(LineLost):
                        line.call(b"PING").add_done_callback(_forget)
        return lost.result()

    def _complaint(self, error: Exception) -> str:
        # TimeoutError is an OSError too, and says nothing.
        if isinstance(error, TimeoutError) and not str(error):
            return f"no answer within {self._vigilance.connect_timeout:g} s"
        return str(error) or type(error).__name__


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Ask the kernel to find out about peers that are gone without a word."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _forget(probe: asyncio.Future[object]) -> None:
    """What a probe says does not matter; that it says something does."""
    if not probe.cancelled():
        probe.exception()
