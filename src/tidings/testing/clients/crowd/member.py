"""One client of a crowd: a protocol of asyncio, without a task, a timer or a queue of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from tidings.testing.clients.crowd.script import Heard, Message, framed
from tidings.testing.clients.crowd.wire import BINARY, CLOSE, PING, PONG, TEXT, Frames, Malformed, frame, refusal
from tidings.testing.clients.transcript import Closing

if TYPE_CHECKING:
    from tidings.testing.clients.crowd.many import ManyClients

_END_OF_HEAD = b"\r\n\r\n"


class Member(asyncio.Protocol):
    """What it has received, in numbers, and how it ended.

    `received` counts messages, `violations` those that came after a later one or twice, `missed` the places that were
    passed over, `pings` the server's pings of either kind. `closing` is the end of the connection, None while it goes
    on.
    """

    __slots__ = (
        "_awaited",
        "_crowd",
        "_frames",
        "_head",
        "_last",
        "closing",
        "missed",
        "number",
        "pings",
        "received",
        "refused",
        "settled",
        "transport",
        "violations",
        "was_ready",
    )

    def __init__(self, crowd: ManyClients, number: int) -> None:
        self.number = number
        self.received = self.violations = self.missed = self.pings = 0
        self.closing: Closing | None = None
        self.was_ready = False
        """Whether it ever was connected with its greeting answered."""
        self.refused = ""
        """Why it did not become ready, or was cut off here."""
        self.settled: asyncio.Future[None] | None = None
        """Done when the client is ready or will not be; there only while it opens."""
        self.transport: asyncio.Transport | None = None
        self._crowd = crowd
        self._awaited = crowd.script.answers
        self._head: bytes | None = b""
        """The answer to the handshake as far as it has come; None after that."""
        self._frames = Frames()
        self._last: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Member {self.number}, {self.state}, {self.received} received>"

    @property
    def is_ready(self) -> bool:
        """Whether it is connected and its greeting has been answered."""
        return self.was_ready and self.closing is None and not self.refused

    @property
    def state(self) -> str:
        if self.closing is not None:
            return f"closed {self.closing}"
        return "refused" if self.refused else "open" if self.is_ready else "opening"

    def send(self, value: Any) -> None:
        """Send a value: `bytes` and `str` as they are, anything else as JSON."""
        self.write(framed(value))

    def write(self, frames: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(frames)

    def leave(self) -> None:
        """Begin to close."""
        if self._head is not None:
            self.abort()
        else:
            self.write(frame(CLOSE, (1000).to_bytes(2, "big")))

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._crowd.request)
        self._crowd.made()

    def data_received(self, data: bytes) -> None:
        try:
            self._take(data)
        except (Malformed, ValueError) as error:
            self._refuse(f"a message that cannot be understood: {error}")
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self.closing is None:
            self.closing = Closing(1006, str(error or ""))
        if not self.was_ready and not self.refused:
            self.refused = f"the connection was closed ({self.closing}) before it was ready"
        self._settle()
        self._crowd.lost(self)

    # Private steps.

    def _take(self, data: bytes) -> None:
        if self._head is not None:
            head, end, data = (self._head + data).partition(_END_OF_HEAD)
            if not end:
                self._head = head
                return
            self._upgrade(head)
        if not self.refused:
            for opcode, content in self._frames.feed(data):
                self._frame(opcode, content)

    def _upgrade(self, head: bytes) -> None:
        self._head = None
        if why := refusal(head):
            self._refuse(f"the handshake was answered {why}")
            self.abort()
            return
        self.write(self._crowd.script.greeting(self.number))
        self._answered(0)

    def _frame(self, opcode: int, content: bytes) -> None:
        if opcode in (TEXT, BINARY):
            self._crowd.observe(self, content, opcode)
            self._heed(self._crowd.script.hear(opcode, content))
        elif opcode == PING:
            self.pings += 1
            self.write(frame(PONG, content))
        elif opcode == CLOSE:
            code = int.from_bytes(content[:2], "big") if content else 1005
            self.closing = Closing(code, content[2:].decode(errors="replace"))
            if not self._crowd.is_leaving:
                self.write(frame(CLOSE, content[:2]))
            if self.transport is not None:
                self.transport.close()

    def _heed(self, heard: Heard) -> None:
        if heard.refusal and not self.was_ready:  # Later ones answer what the test has sent.
            self._refuse(heard.refusal)
        if heard.reply:
            self.pings += 1
            self.write(heard.reply)
        if self._awaited > 0 and (heard.answers or heard.may_answer):
            self._answered(heard.answers or 1)
            if heard.may_answer:
                return
        for message in heard.messages:
            self._count(message)

    def _count(self, message: Message) -> None:
        self.received += 1
        if message.order is not None:
            self._compare(message.stream, message.order)
        self._crowd.counted(self, message.stamp)

    def _compare(self, stream: str, order: int) -> None:
        last = self._last.get(stream)
        if last is not None and order <= last:
            self.violations += 1
            return
        if last is not None:
            self.missed += order - last - 1
        self._last[stream] = order

    def _answered(self, count: int) -> None:
        self._awaited -= count
        if self._awaited <= 0 and not self.refused:
            self.was_ready = True
            self._settle()

    def _refuse(self, why: str) -> None:
        self.refused = self.refused or why
        self._settle()

    def _settle(self) -> None:
        if self.settled is not None and not self.settled.done():
            self.settled.set_result(None)
