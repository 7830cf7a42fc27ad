"""A connection over plain ASGI, for servers that do not let their connections go.

The server keeps a task for every connection, which is our reader. What is written is queued, and one more task sends
it while there is something to send. Framing, limits and pings of the WebSocket protocol are the server's; only whole
messages come here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from starlette.types import Message, Receive, Send

from tidings.gateway.transports.base import Join, Peer, TransportTerms, Wrap
from tidings.gateway.transports.handshake import Agreement
from tidings.wire.centrifuge import codes

# The peer is paused above the first and resumed below the second, as by asyncio's own transports.
HIGH_WATER_BYTES = 65536
LOW_WATER_BYTES = 16384

_NO_STATUS = 1005
_ABNORMAL_CLOSURE = 1006
_MESSAGE_TOO_BIG = 1009
_INTERNAL_ERROR = 1011

# What a server may refuse to send for us, and what is said instead. Under daphne an application may close with 1000 and
# with codes from 3000 on only. Clients stay away after 1009, where the same message would be too big again, and so they
# do after the substitute; after 1011 and 1000 they come back.
_SUBSTITUTES = {_MESSAGE_TOO_BIG: codes.BAD_REQUEST.code, _INTERNAL_ERROR: 1000}


async def serve(receive: Receive, send: Send, *, agreement: Agreement, terms: TransportTerms, join: Join) -> None:
    """Accept a connection and report to the peer that `join` returns, until the connection is over.

    Cancelling is the server's way of stopping: the peer is told that the connection is lost, and what was not sent is
    forgotten.
    """
    if (await receive())["type"] == "websocket.connect":
        await send({"type": "websocket.accept", "subprotocol": agreement.subprotocol})
        await AsgiTransport(send, agreement, terms).run(receive, join)


class AsgiTransport:
    """An open connection of another server's.

    `close` asks the server to end it and waits for its report; after `close_timeout` we leave without.
    """

    name = "asgi"
    native_pings = False

    wrap: Wrap
    _peer: Peer

    def __init__(self, send: Send, agreement: Agreement, terms: TransportTerms) -> None:
        self.text = not agreement.codec.binary
        self.wrap = _binary if agreement.codec.binary else _text
        self._codec = agreement.codec
        self._send = send
        self._terms = terms
        self._open = True
        self._paused = False
        # Whether somebody is to hear of the end; whether the server has told us of it; whether we wait for its news.
        self._is_joined = self._is_over = self._is_reading = False
        # Set when the peer wants to read on; None while it does.
        self._held: asyncio.Event | None = None
        # Messages with their sizes, in order.
        self._queue: deque[tuple[Message, int]] = deque()
        self._queued_bytes = 0
        self._writer: asyncio.Task[None] | None = None
        # Code and reason of whoever closed first, and what remains to be said to the server, after all messages.
        self._verdict: tuple[int, str] | None = None
        self._goodbye: Message | None = None

    async def run(self, receive: Receive, join: Join) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(None) as self._reading:
                    self._is_reading = True
                    self._peer = join(self)
                    self._is_joined = True
                    await self._read(receive)
            self._is_reading = False
            await self._part(receive)
        finally:
            if self._is_joined:
                await self._leave()

    # Out, for the peer.

    def write(self, data: bytes, /) -> None:
        self.send(data, text=not self._codec.binary)

    def send(self, payload: bytes, *, text: bool) -> None:
        if not self._open:
            return
        message = {"text": payload.decode()} if text else {"bytes": payload}
        self._put({"type": "websocket.send", **message}, len(payload))
        if self._queued_bytes > HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self._peer.pause()

    def pause_reading(self) -> None:
        if self._open and self._held is None:
            self._held = asyncio.Event()

    def resume_reading(self) -> None:
        if self._held is not None:
            self._held.set()
            self._held = None

    def ping(self) -> None:
        """ASGI has no pings."""

    def close(self, code: int, reason: str) -> None:
        if not self._open:
            return
        self._open = False
        self._verdict = code, reason
        self._goodbye = {"type": "websocket.close", "code": code, "reason": reason}
        self._stop_reading()

    def abort(self) -> None:
        # Most servers end the connection of an application that returns. daphne keeps it, so all are asked to.
        self._forget()
        self._goodbye = {"type": "websocket.close", "code": _INTERNAL_ERROR, "reason": ""}
        if self._writer is not None:
            self._writer.cancel()

    # In.

    async def _read(self, receive: Receive) -> None:
        while (event := await receive())["type"] != "websocket.disconnect":
            if self._open:
                self._take(event)
            if self._held is not None:
                await self._held.wait()
        self._is_over = True
        if self._verdict is None:
            self._verdict = event.get("code", _NO_STATUS), event.get("reason") or ""

    def _take(self, event: Message) -> None:
        text = event.get("text")
        self.text = text is not None
        payload: bytes = event["bytes"] if text is None else text.encode()
        if len(payload) > self._terms.message_limit_bytes:
            self.close(_MESSAGE_TOO_BIG, "message too big")
        else:
            self._peer.receive(payload)

    def _stop_reading(self) -> None:
        """Have `run` go on to the end. Once only: what is under way cannot be hurried."""
        if self._is_reading:
            self._is_reading = False
            self._reading.reschedule(asyncio.get_running_loop().time())

    # The queue.

    def _put(self, event: Message, size: int) -> None:
        self._queue.append((event, size))
        self._queued_bytes += size
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self._queue:
                event, size = self._queue.popleft()
                await self._send(event)
                self._queued_bytes -= size
                self._resume_if_drained()
        except OSError:
            # The client is gone (ASGI, WebSocket specification 2.4).
            self._forget()
        except Exception:
            # The server's own fault: `_leave` hands it to whoever called us.
            self._forget()
            raise

    def _resume_if_drained(self) -> None:
        if self._paused and self._queued_bytes <= LOW_WATER_BYTES:
            self._paused = False
            self._peer.resume()

    # The end.

    def _forget(self) -> None:
        """Leave with nothing more said."""
        self._open = False
        self._queue.clear()
        self._goodbye = None
        self._stop_reading()

    async def _part(self, receive: Receive) -> None:
        """Say what remains to be said, and wait for the server's report.

        Nobody waits for news of the client meanwhile: granian sends no close while somebody does.
        """
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._terms.close_timeout):
                if self._writer is not None and not self._is_over:
                    await asyncio.wait([self._writer])
                if self._goodbye is not None and not self._is_over:
                    await self._say(self._goodbye)
                    while (await receive())["type"] != "websocket.disconnect":
                        pass

    async def _say(self, goodbye: Message) -> None:
        try:
            await self._send(goodbye)
        except OSError:
            raise
        except Exception:
            if goodbye["code"] not in _SUBSTITUTES:
                raise
            await self._send({**goodbye, "code": _SUBSTITUTES[goodbye["code"]]})

    async def _leave(self) -> None:
        self._open = False
        if self._writer is not None:
            self._writer.cancel()
        self._peer.lost(*(self._verdict or (_ABNORMAL_CLOSURE, "")))
        if self._writer is not None:
            await asyncio.wait([self._writer])
            if not self._writer.cancelled():
                self._writer.result()


# Wrapped messages are the payloads themselves. Two functions, because what is text for one is not for the other.


def _text(payload: bytes) -> bytes:
    return payload


def _binary(payload: bytes) -> bytes:
    return payload
