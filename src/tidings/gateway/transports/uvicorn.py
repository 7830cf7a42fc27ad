"""uvicorn's WebSocket protocol class with one door more: an application may take the connection over.

    uvicorn main:app --ws tidings:WebSocketProtocol

The application is called for each handshake, as always. Instead of accepting, it can call what it finds in
`scope["extensions"]["tidings.takeover"]`: uvicorn answers the handshake and lets go, and from then on nothing of
uvicorn belongs to the connection, neither a task nor a queue nor the request. Whoever accepts in the ordinary way gets
uvicorn's own behaviour.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.extensions import Extension
from websockets.frames import CloseCode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tidings.gateway.transports import deflate
from tidings.gateway.transports.base import Join, TransportTerms
from tidings.gateway.transports.handshake import Agreement
from tidings.gateway.transports.websocket import WebSocketTransport

TAKE_OVER = "tidings.takeover"

_UNREADABLE = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_EXTENSIONS = "Sec-WebSocket-Extensions"
_SUBPROTOCOL = "Sec-WebSocket-Protocol"


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sans-I/O WebSocket protocol, offering the take-over.

    Three more things differ, for every route. An empty `Sec-WebSocket-Protocol` header is ignored, where uvicorn
    answers 400. An HTTP response instead of a connection is not logged as an error of the application. And what a
    client sends before its handshake is answered is read only then: who will read it, and with which limits, is not
    known before.
    """

    _early = b""

    def handle_connect(self, event: Request) -> None:
        _drop_blank(event.headers)
        super().handle_connect(event)

    async def run_asgi(self) -> None:
        self._offers[TAKE_OVER] = self.take_over
        await super().run_asgi()

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated and not self.handshake_complete:
            self._early += data
            self.transport.pause_reading()
        else:
            super().data_received(data)
            if not self.handshake_initiated and self.conn.handshake_exc is not None:
                self._refuse_unreadable()

    def _refuse_unreadable(self) -> None:
        """Answer a handshake that the rules could not read: a line or a head that is too long, for example.

        uvicorn gives no answer, and leaves the connection open.
        """
        self.transport.write(_UNREADABLE)
        self.transport.close()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self._early and self.handshake_complete:
            early, self._early = self._early, b""
            self.transport.resume_reading()
            self.data_received(early)
        if self.initial_response is not None and self.close_sent:
            # Answered, if with an HTTP response; otherwise uvicorn logs an application that did not answer.
            self.handshake_complete = True

    async def take_over(self, agreement: Agreement, terms: TransportTerms, join: Join) -> None:
        """Accept on these terms and hand the connection to `join`'s peer.

        Does not wait, although uvicorn's answer is a coroutine. Raises `ClientDisconnected`, an `OSError`, if the
        client is gone.
        """
        if self.transport.is_closing():
            raise ClientDisconnected
        rules = ServerProtocol(state=OPEN, max_size=terms.message_limit_bytes, logger=self.conn.logger)
        rules.extensions = self._agree_on_extensions(terms)
        self.ping_interval = None  # Pinging is the peer's business.
        await super().send({"type": "websocket.accept", "subprotocol": agreement.subprotocol, "headers": []})
        connection = WebSocketTransport(self.transport, rules, agreement, terms)
        # If this raises, the connection is still uvicorn's, which reports the error and closes it.
        peer = join(connection)
        transport = self._let_go()
        connection.open(peer, self.connections)
        if self._early:
            transport.resume_reading()
            connection.data_received(self._early)

    def _agree_on_extensions(self, terms: TransportTerms) -> list[Extension]:
        """Put into the answer what these terms allow, instead of what uvicorn has agreed to."""
        answer = self.response.headers
        if _EXTENSIONS in answer:
            del answer[_EXTENSIONS]
        if not terms.compression:
            return []
        self.conn.available_extensions = [deflate.OFFER]
        try:
            header, extensions = self.conn.process_extensions(self.request.headers)
        except InvalidHandshake:
            # An offer that cannot be read is declined, as it is where there is no compression.
            return []
        if header is not None:
            answer[_EXTENSIONS] = header
        return extensions

    def _let_go(self) -> asyncio.Transport:
        """Give up the transport and what leads from elsewhere to this object. Its application sees a client gone."""
        del self._offers[TAKE_OVER]
        self.connections.discard(self)
        self.disconnected = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.ABNORMAL_CLOSURE})
        transport, self.transport = self.transport, _CEDED
        return transport

    @property
    def _offers(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.scope["extensions"])


class _Ceded(asyncio.Transport):
    """What is left in place of a transport that was taken over.

    uvicorn closes its transport when the application returns; closing this one changes nothing.
    """

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return True


_CEDED = _Ceded()


def _drop_blank(headers: Headers) -> None:
    """Remove subprotocol headers without a value. Some clients send one to say that they offer none."""
    values = list(headers.get_all(_SUBPROTOCOL))
    if all(value.strip() for value in values):
        return
    del headers[_SUBPROTOCOL]
    for value in values:
        if value.strip():
            headers[_SUBPROTOCOL] = value
