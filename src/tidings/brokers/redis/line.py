"""One connection to a Redis server: calls go out in order, replies come back in order.

A call costs no task. Whatever is called within one turn of the loop leaves in one write, so concurrent callers share
pipelines and nobody waits for a timer. Messages of channels arrive beside the replies (RESP3) and are handed over as
they are read.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, cast

import hiredis

from tidings.brokers.link import LineLost, OnLost, Refusal

Word = bytes | str | int | float
Push = list[Any]
INCOMPLETE = object()


class ReplyError(Refusal):
    """The server refused a call. `kind` is the first word of its answer, such as NOSCRIPT.

    A single command had no effect then. A script may have had a part of it: our scripts do last what may be refused.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.kind, _, self.detail = text.partition(" ")


class _Listening:
    """A (un)subscribe that is under way. It has no reply of its own; every channel is confirmed by a message."""

    def __init__(self, future: asyncio.Future[Any], verb: bytes, channels: Iterable[bytes]) -> None:
        self.future = future
        self.verb = verb
        self.channels = set(channels)


_pack = cast(Callable[[tuple[Word, ...]], bytes], hiredis.pack_command)  # whose annotation knows of one word only
Expected = asyncio.Future[Any] | _Listening


class Line(asyncio.Protocol):
    """See the module. `on_push` gets what the server says unasked, `on_lost` hears the end, once.

    When a call is cancelled it may or may not have had its effect; the line goes on.
    """

    def __init__(self, on_push: Callable[[Push], None], on_lost: OnLost) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(protocolError=ConnectionError, replyError=ReplyError, notEnoughData=INCOMPLETE)
        self._expected: deque[Expected] = deque()
        self._outgoing: list[bytes] = []
        self._unsent = 0
        self._transport: asyncio.Transport | None = None
        self._on_push = on_push
        self._on_lost = on_lost
        self._quiet_since = math.inf
        self._why = "the server closed the connection"
        self.client_id = 0
        """What the server calls this connection, once it was introduced."""

    # Calls.

    def call(self, *words: Word) -> asyncio.Future[Any]:
        """Send a command; the result is its reply.

        Raises `LineLost` at once when the line has ended. The future raises it when the line ends later, and
        `ReplyError` when the server refuses.
        """
        future = self._loop.create_future()
        self._send(future, words)
        return future

    def listen(self, verb: bytes, channels: Iterable[str]) -> asyncio.Future[Any]:
        """Send a command of the pub/sub family; the result is there when the server has confirmed every channel."""
        names = [channel.encode() for channel in channels]
        future = self._loop.create_future()
        self._send(_Listening(future, verb.lower(), names), (verb, *names))
        return future

    def _send(self, expected: Expected, words: tuple[Word, ...]) -> None:
        if self._transport is None:
            raise LineLost(self._why, sent=False)
        if not self._expected:
            self._quiet_since = self._loop.time()
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._expected.append(expected)
        self._outgoing.append(_pack(words))
        self._unsent += 1

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._outgoing))
            self._outgoing.clear()
            self._unsent = 0

    # State.

    @property
    def waiting(self) -> int:
        """How many replies are outstanding."""
        return len(self._expected)

    def quiet(self) -> float:
        """For how many seconds a reply has been due without a sign of life; 0 while none is due."""
        return self._loop.time() - self._quiet_since if self._expected else 0.0

    def nudge(self) -> None:
        """Ask for a sign of life that nobody waits for, unless one is due anyway. Raises `LineLost`."""
        if not self._expected:
            self.call(b"PING").add_done_callback(_forget)

    def end(self, reason: str) -> None:
        """Give the connection up, for a reason that the waiting callers hear. Repeating it is harmless."""
        if self._transport is not None:
            self._why = reason
            self._transport.abort()

    async def close(self) -> None:
        """Comes after `end`, which leaves nothing that would have to be waited for."""

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._quiet_since = self._loop.time()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not INCOMPLETE:
                self._take(reply)
        except ConnectionError:
            self.end("the server does not speak the Redis protocol")

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if error is not None:
            self._why = str(error) or type(error).__name__
        sent = len(self._expected) - self._unsent
        for index, expected in enumerate(self._expected):
            future = expected.future if isinstance(expected, _Listening) else expected
            if not future.done():
                future.set_exception(LineLost(self._why, sent=index < sent))
        self._expected.clear()
        self._outgoing.clear()
        self._on_lost(self._why)

    def _take(self, reply: Any) -> None:
        if isinstance(reply, hiredis.PushNotification):
            self._take_push(reply)
            return
        if not self._expected:
            self.end("the server answered what nobody had asked")
            return
        expected = self._expected.popleft()
        if isinstance(expected, _Listening):
            # The only answer to a subscription is a refusal.
            _settle(expected.future, reply if isinstance(reply, ReplyError) else ReplyError("ERR unexpected answer"))
        else:
            _settle(expected, reply)

    def _take_push(self, push: Push) -> None:
        head = self._expected[0] if self._expected else None
        if isinstance(head, _Listening) and push[0] == head.verb and push[1] in head.channels:
            head.channels.discard(push[1])
            if not head.channels:
                self._expected.popleft()
                _settle(head.future, None)
            return
        self._on_push(push)


def _settle(future: asyncio.Future[Any], outcome: object) -> None:
    if future.done():
        return
    if isinstance(outcome, ReplyError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _forget(answer: asyncio.Future[Any]) -> None:
    """What the answer says does not matter; that it came does."""
    if not answer.cancelled():
        answer.exception()
