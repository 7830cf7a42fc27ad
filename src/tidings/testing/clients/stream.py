"""Waiting for what comes: the thin shell around an inbox.

Every wait has a limit, ends at once when the connection does, and fails with the conversation so far.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from tidings.testing.clients.inbox import Inbox
from tidings.testing.clients.transcript import Closing, Direction, Frame, Letter, Observer, Transcript

T = TypeVar("T")
R = TypeVar("R")

NOT_OPENED = "The client is not connected: use it in `async with`, or await its open()."


class ConversationError(AssertionError):
    """A conversation did not go as the test expects. Says what was waited for, and shows the last frames.

    `closing` is how the connection ended, where that is the reason.
    """

    def __init__(self, sentence: str, transcript: Transcript, closing: Closing | None = None) -> None:
        super().__init__(f"{sentence}\n{transcript}")
        self.sentence = sentence
        self.transcript = transcript
        self.closing = closing


class Record:
    """What has happened on one connection so far, for all who wait for something on it."""

    def __init__(self, title: str, observer: Observer | None = None) -> None:
        self.transcript = Transcript(title, observer)
        self.began = time.monotonic()
        self.connections = 0
        """How many there have been."""
        self.closing: Closing | None = None
        self.failure: BaseException | None = None
        """What went wrong while a message was taken in; waits pass it on."""
        self._waiting: set[asyncio.Future[None]] = set()

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def add(self, direction: Direction, content: Any, closing: Closing | None = None) -> Frame:
        frame = Frame(self.now(), direction, content, closing)
        self.transcript.add(frame)
        return frame

    def reopen(self) -> None:
        """A connection is there, the first or another one."""
        self.connections += 1
        self.closing = self.failure = None
        self.add(Direction.NOTED, "opened")

    def close(self, closing: Closing) -> None:
        self.closing = closing
        self.wake()
        self.add(Direction.NOTED, f"closed {closing}", closing)

    def fail(self, error: BaseException) -> None:
        self.failure = error
        self.wake()
        # The observer may be what went wrong, and is not asked again.
        self.transcript.keep(Frame(self.now(), Direction.NOTED, f"cannot take this in: {error}"))

    def wake(self) -> None:
        """Let everybody who waits look again."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def changed(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    def error(self, sentence: str) -> ConversationError:
        return ConversationError(sentence, self.transcript, self.closing)


class Stream(Generic[T]):
    """Messages of one kind, read in order and each once.

    All waits take a `timeout` in seconds; without one it is `patience`, which may be set for one stream, or as
    `Stream.patience` for all that come. Cancelling a wait loses nothing.
    """

    patience: float = 5.0

    def __init__(self, record: Record, kind: str = "message") -> None:
        self._record = record
        self._kind = kind
        self._inbox = Inbox[T]()

    @property
    def received(self) -> list[T]:
        """All that has come so far, read or not."""
        return self._inbox.values

    @property
    def unread(self) -> list[T]:
        return self._inbox.unread

    @property
    def skipped(self) -> list[T]:
        """What `receive_until` has passed over."""
        return self._inbox.skipped

    async def receive(self, *, timeout: float | None = None) -> T:
        """The next message. Raises `ConversationError` if none comes in time, or the connection ends before."""
        (value,) = await self._wait(lambda: self._inbox.take(1), lambda: f"a {self._kind}", timeout)
        return value

    async def receive_until(self, predicate: Callable[[T], bool], *, timeout: float | None = None) -> T:
        """The next message that fits. Those before it are in `skipped` afterwards, and marked in a failure."""
        fitting = f"a {self._kind} that fits {named(predicate)}"
        (value,) = await self._wait(lambda: self._inbox.take_match(predicate), lambda: fitting, timeout)
        return value

    async def collect(self, count: int, *, timeout: float | None = None) -> list[T]:
        """The next messages, so many. If fewer come in time, none is taken."""

        def wanted() -> str:
            return f"{count:,} {self._kind}s, of which {len(self.unread):,} came"

        return await self._wait(lambda: self._inbox.take(count), wanted, timeout)

    async def expect_nothing(self, *, within: float = 0.2) -> None:
        """Return after so many seconds in which nothing came.

        Raises `ConversationError` if something comes, or is there unread already, and also if the connection ends:
        that nothing comes from it would then prove nothing.
        """
        try:
            async with asyncio.timeout(within):
                while not self.unread:
                    self._require_open(lambda: f"{within:g} s without a {self._kind}")
                    await self._record.changed()
        except TimeoutError:
            # It may have come in the very turn in which the time was up.
            if not self.unread:
                return
        raise self._record.error(f"No {self._kind} was expected within {within:g} s, and one came.")

    def put(self, letter: Letter[T]) -> None:
        """A message has come. The client calls this, not the test."""
        self._inbox.put(letter)

    async def _wait(self, look: Callable[[], R | None], wanted: Callable[[], str], timeout: float | None) -> R:
        """What `look` finds, as soon as it finds something. `wanted` names that, in a failure."""
        limit = self.patience if timeout is None else timeout
        try:
            async with asyncio.timeout(limit):
                while (found := look()) is None:
                    self._require_open(wanted)
                    await self._record.changed()
                return found
        except TimeoutError:
            if (found := look()) is not None:
                return found
        raise self._record.error(f"Waited {limit:g} s for {wanted()}.")

    def _require_open(self, wanted: Callable[[], str]) -> None:
        failure, closing = self._record.failure, self._record.closing
        if not self._record.connections:
            raise self._record.error(NOT_OPENED)
        if failure is not None:
            raise self._record.error(f"A frame could not be taken in: {failure}") from failure
        if closing is not None:
            raise self._record.error(f"The connection was closed ({closing}) while waiting for {wanted()}.")


def named(predicate: Callable[..., Any]) -> str:
    """Which predicate this is: its name, or for a lambda the line where it stands."""
    code = getattr(predicate, "__code__", None)
    name = getattr(predicate, "__qualname__", repr(predicate)).rpartition("<locals>.")[2]
    if code is None:
        return str(name)
    where = f"{code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"
    return f"the lambda in {where}" if name == "<lambda>" else f"{name} in {where}"
