"""A WebSocket connection as one object between the event loop's transport and the peer.

    client → asyncio transport → data_received → ServerProtocol → Peer.receive
    client ← asyncio transport ← write (frames made once for many)

The rules of RFC 6455 are those of `websockets`' `ServerProtocol`, which does no input or output. Messages are written
past it. There is no task here, and no timer until the connection ends.

An end takes at most `close_timeout`. Our close frame goes out after what was written before, and once the client's has
come we close the stream. After an error only our half of it is closed, and what the client still sends is thrown away
until it closes the other: unread, it would make the kernel reset the connection, and our close frame would be lost.
Whoever goes on after `LATE_BYTES` is not read any more: a flood costs nothing then, and a client that can no longer
send has the time to read why. The peer does not wait for that. It is told as soon as nothing can be said any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN, SEND_EOF
from websockets.server import ServerProtocol

from tidings.gateway.transports import deflate
from tidings.gateway.transports.base import Peer, TransportTerms, Wrap
from tidings.gateway.transports.fragments import Fragments
from tidings.gateway.transports.handshake import Agreement
from tidings.wire import frames

# How much is read of one connection before others have their turn. A loop's read may bring a quarter of a megabyte, and
# uvloop reads many times in a row: forty thousand pings each time, while nobody else is served.
TURN_BYTES = 8192

# How much is read of a client after our close, or after its own: more than kernels keep on their way.
LATE_BYTES = 1 << 24

# A control frame holds 125 bytes (RFC 6455, section 5.5), of which the close code takes two.
REASON_LIMIT_BYTES = 123

_EMPTY_PING = b"\x89\x00"


class WebSocketTransport(asyncio.Protocol):
    """An open WebSocket connection, from the handshake's answer on.

    `write` is the event loop's own: callers reach the loop's C code without a Python call between. Once the connection
    is closing it is exchanged for one that does nothing.
    """

    __slots__ = (
        "_connections",
        "_ended",
        "_fragments",
        "_held",
        "_late",
        "_open",
        "_owed_pong",
        "_paused",
        "_peer",
        "_reported",
        "_rules",
        "_terms",
        "_timer",
        "_transport",
        "_unread",
        "native_pings",
        "text",
        "wrap",
        "write",
    )

    name = "websocket"

    wrap: Wrap
    write: Callable[[bytes], None]

    def __init__(
        self, transport: asyncio.Transport, rules: ServerProtocol, agreement: Agreement, terms: TransportTerms
    ) -> None:
        self.native_pings = agreement.native_pings
        self.text = not agreement.codec.binary
        self.wrap = _wrap(agreement, rules.extensions)
        self.write = transport.write
        self._transport = transport
        self._rules = rules
        self._terms = terms
        # False once messages go neither in nor out: we closed or cut, the client did, or it broke the rules.
        self._open = True
        # True once nothing at all can be written.
        self._ended = False
        # True once the peer knows.
        self._reported = False
        self._paused = False
        # True while the peer wants nothing to be read.
        self._held = False
        # How many bytes were read since messages go neither in nor out.
        self._late = 0
        self._owed_pong = b""
        self._fragments: Fragments | None = None
        self._timer: asyncio.TimerHandle | None = None
        # What was read and has to wait for its turn; nothing more is read meanwhile.
        self._unread = b""

    def open(self, peer: Peer, connections: set[Any]) -> None:
        """Take over the event loop's transport, and be one of the server's `connections` until it is lost."""
        self._peer = peer
        self._connections = connections
        connections.add(self)
        self._transport.set_protocol(self)

    # Out, for the peer.

    def send(self, payload: bytes, *, text: bool) -> None:
        if not self._open:
            return
        if text:
            self._rules.send_text(payload)
        else:
            self._rules.send_binary(payload)
        self._flush()

    def pause_reading(self) -> None:
        if self._open and not self._held:
            self._held = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._held:
            self._held = False
            self._read_on_later()

    def ping(self) -> None:
        if self._open and self.native_pings:
            self._transport.write(_EMPTY_PING)

    def close(self, code: int, reason: str) -> None:
        if not self._open:
            return
        self._shut()
        # Otherwise the client's close, or an error, came with the message that is being received; its answer follows.
        if self._rules.state is OPEN:
            self._rules.send_close(code, _cut(reason))
            self._flush()

    def abort(self) -> None:
        self._shut()
        self._ended = True
        self._transport.abort()

    def shutdown(self) -> None:
        """Called by uvicorn for each of its connections when it stops."""
        if self._open:
            self._peer.shutdown()

    # In, from the event loop.

    def data_received(self, data: bytes) -> None:
        if self._unread or self._held:
            self._unread += data
        elif len(data) <= TURN_BYTES:
            self._read(data)
        else:
            self._unread = data
            self._transport.pause_reading()
            self._read_on()

    def _read_on(self) -> None:
        """Read what a turn has room for, and the rest in turns of its own."""
        if self._held:
            return
        data, self._unread = self._unread[:TURN_BYTES], self._unread[TURN_BYTES:]
        if data:  # Otherwise the connection was lost before its turn came.
            self._read(data)
        if not self._held:
            self._read_on_later()

    def _read_on_later(self) -> None:
        if self._unread:
            asyncio.get_running_loop().call_soon(self._read_on)
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def _read(self, data: bytes) -> None:
        if not self._open and self._is_too_late(data):
            return
        self._rules.receive_data(data)
        answers = iter(self._rules.data_to_send())
        # The handshake is behind us: all further events are frames.
        for frame in cast("list[Frame]", self._rules.events_received()):
            # The rules answer each ping with a pong, in order, and the end of the connection last.
            if frame.opcode is Opcode.PING:
                self._pong(next(answers))
            elif self._open:
                self._take(frame)
        if last := list(answers):
            self._finish(last)

    def _is_too_late(self, data: bytes) -> bool:
        """Whether a closing connection has had its share; then the timer ends it, if the client does not."""
        self._late += len(data)
        if self._late <= LATE_BYTES:
            return False
        self._unread = b""
        self._held = True
        self._transport.pause_reading()
        return True

    def eof_received(self) -> None:
        """The client hung up; the event loop closes our side once everything is written, if that ever happens."""
        self._shut()
        self._ended = True
        self._report()

    def pause_writing(self) -> None:
        self._paused = True
        if self._open:
            self._peer.pause()

    def resume_writing(self) -> None:
        self._paused = False
        if self._owed_pong:
            owed, self._owed_pong = self._owed_pong, b""
            self._pong(owed)
        if self._open:
            self._peer.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._shut()
        self._unread = b""
        self._stop_timer()
        self._connections.discard(self)
        self._report()

    # Messages.

    def _take(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.PONG:
                self._peer.pong()
            case Opcode.TEXT | Opcode.BINARY:
                self.text = frame.opcode is Opcode.TEXT
                self._receive(frame)
            case Opcode.CONT:
                self._receive(frame)

    def _receive(self, frame: Frame) -> None:
        try:
            payload = self._whole(frame)
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "text is not UTF-8")
            return
        if payload is not None:
            self._peer.receive(payload)

    def _whole(self, frame: Frame) -> bytes | None:
        piece = bytes(frame.data)
        if self._fragments is None:
            if frame.fin:
                if self.text and not piece.isascii():
                    piece.decode()
                return piece
            self._fragments = Fragments(text=self.text)
        self._fragments.add(piece, final=frame.fin)
        if not frame.fin:
            return None
        whole, self._fragments = self._fragments.whole(), None
        return whole

    # Answers.

    def _pong(self, pong: bytes) -> None:
        # A client that pings and does not read would fill our memory. It may be answered for its latest ping only
        # (RFC 6455, section 5.5.3).
        if self._paused:
            self._owed_pong = pong
        elif not self._ended:
            self._transport.write(pong)

    def _flush(self) -> None:
        for data in self._rules.data_to_send():
            self._transport.write(data)

    # The end.

    def _shut(self) -> None:
        if not self._open:
            return
        self._open = False
        self.write = _nothing
        self._fragments = None
        self.resume_reading()  # Otherwise the client's close would not be heard.
        self._timer = asyncio.get_running_loop().call_later(self._terms.close_timeout, self._transport.abort)

    def _fail(self, code: int, reason: str) -> None:
        """Fail the connection as the rules do for what they find themselves (RFC 6455, section 7.1.7)."""
        self._rules.fail(code, reason)
        self._finish(self._rules.data_to_send())

    def _finish(self, answers: list[bytes]) -> None:
        """Send the last of the rules' answers: a close frame unless ours has gone, then the end of the stream."""
        self._shut()
        for data in answers:
            if data == SEND_EOF:
                self._end_stream()
            else:
                self._transport.write(data)
        self._report()

    def _end_stream(self) -> None:
        self._ended = True
        if self._rules.close_rcvd is None and self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _report(self) -> None:
        if not self._reported:
            self._reported = True
            self._peer.lost(*self._verdict())

    def _verdict(self) -> tuple[int, str]:
        """Code and reason of whoever closed first."""
        rules = self._rules
        close = rules.close_rcvd if rules.close_rcvd_then_sent else rules.close_sent
        return (CloseCode.ABNORMAL_CLOSURE.value, "") if close is None else (int(close.code), close.reason)


def _nothing(data: bytes, /) -> None:
    """What `write` is when there is nobody to write to any more."""


def _cut(reason: str) -> str:
    return reason.encode()[:REASON_LIMIT_BYTES].decode(errors="ignore")


def _wrap(agreement: Agreement, extensions: list[Extension]) -> Wrap:
    binary = agreement.codec.binary
    for extension in extensions:
        if isinstance(extension, PerMessageDeflate):
            return deflate.wrap(binary=binary, window_bits=extension.local_max_window_bits)
    return frames.binary if binary else frames.text
