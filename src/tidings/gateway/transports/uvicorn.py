"""uvicorn's WebSocket protocol class with one door more: an application may take the connection over.

    uvicorn main:app --ws tidings:WebSocketProtocol

The application is called for each handshake, as always. Instead of accepting, it can call what it finds in
`scope["extensions"]["tidings.takeover"]`: the handshake is answered and uvicorn lets go, and from then on nothing of
uvicorn belongs to the connection, neither a task nor a queue nor the request. Whoever accepts in the ordinary way gets
uvicorn's own behaviour.

Half of what a handshake costs is to have uvicorn read once more what was read already, and prepare an answer. So this
is put off until somebody wants it; only a request that is not as plain as most goes this way at once.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

from uvicorn.protocols.utils import ClientDisconnected, get_client_addr, get_path_with_query_string
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.frames import CloseCode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tidings.gateway.transports import deflate, head
from tidings.gateway.transports.base import Join, TransportTerms
from tidings.gateway.transports.handshake import Agreement
from tidings.gateway.transports.head import Field, Head
from tidings.gateway.transports.websocket import WebSocketTransport

TAKE_OVER = "tidings.takeover"

_UNREADABLE = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
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
    _unread = b""
    """The request, as long as uvicorn has not read it."""
    _fields: list[Field]
    """Those of the request, whatever the application puts into its scope in their place."""

    # The handshake.

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated:
            if self.handshake_complete:
                super().data_received(data)
            else:
                self._early += data
                self.transport.pause_reading()
        elif (plain := head.read(data)) is not None:
            self._unread = data
            self._begin(plain)
        else:
            super().data_received(data)
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                self._refuse_unreadable()

    def _begin(self, asked: Head) -> None:
        """What `handle_connect` does for a request that uvicorn has read."""
        self.handshake_initiated = True
        self.scope = {
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": self.scheme,
            "server": self.server,
            "client": self.client,
            "root_path": self.root_path,
            "path": self.root_path + unquote(asked.path),
            "raw_path": (self.root_path + asked.path).encode("ascii"),
            "query_string": asked.query.encode("ascii"),
            "headers": asked.fields,
            "subprotocols": asked.offers,
            "state": self.app_state.copy(),
            "extensions": {"websocket.http.response": {}},
        }
        self.queue.put_nowait({"type": "websocket.connect"})
        task = self.loop.create_task(self.run_asgi())
        task.add_done_callback(self.on_task_complete)
        self.tasks.add(task)

    def _catch_up(self) -> None:
        """Have uvicorn read the request, which it has to before it answers.

        Raises `ClientDisconnected` in case it sees another request than we did, and has then refused it.
        """
        if not self._unread:
            return
        data, self._unread = self._unread, b""
        self.conn.receive_data(data)
        for request in self.conn.events_received():
            self.request = cast("Request", request)
            _drop_blank(self.request.headers)
            self.response = self.conn.accept(self.request)
            if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                return
        self.handshake_complete = self.disconnected = True
        self._refuse_unreadable()
        raise ClientDisconnected

    def handle_connect(self, event: Request) -> None:
        _drop_blank(event.headers)
        super().handle_connect(event)

    async def run_asgi(self) -> None:
        self._offers[TAKE_OVER] = self.take_over
        self._fields = cast("list[Field]", self.scope["headers"])
        await super().run_asgi()

    def _refuse_unreadable(self) -> None:
        """Answer a handshake that the rules could not read: a line or a head that is too long, for example.

        uvicorn gives no answer, and leaves the connection open.
        """
        self.transport.write(_UNREADABLE)
        self.transport.close()

    def send_500_response(self) -> None:
        with suppress(ClientDisconnected):
            self._catch_up()
            super().send_500_response()

    async def send(self, message: Any) -> None:
        self._catch_up()
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

        Does not wait. Raises `ClientDisconnected`, an `OSError`, if the client is gone.
        """
        if self.transport.is_closing():
            raise ClientDisconnected
        rules = ServerProtocol(state=OPEN, max_size=terms.message_limit_bytes, logger=self.conn.logger)
        fields = [(b"Sec-WebSocket-Accept", head.accept(self._asked(b"sec-websocket-key")))]
        if terms.compression and (offered := self._asked(b"sec-websocket-extensions")):
            fields += _agree_on_extensions(rules, offered)
        if agreement.subprotocol is not None:
            fields.append((b"Sec-WebSocket-Protocol", agreement.subprotocol.encode()))
        self._answer(fields)
        connection = WebSocketTransport(self.transport, rules, agreement, terms)
        # If this raises, the connection is still uvicorn's, which reports the error and closes it.
        peer = join(connection)
        transport = self._let_go()
        connection.open(peer, self.connections)
        if self._early:
            transport.resume_reading()
            connection.data_received(self._early)

    def _asked(self, name: bytes) -> bytes:
        """What the request has in all fields of this name, "" for nothing."""
        return b", ".join([value for field, value in self._fields if field == name])

    def _answer(self, fields: list[Field]) -> None:
        """Switch to WebSocket, with uvicorn's own fields beside these."""
        self.handshake_complete = True
        if self.logger.isEnabledFor(logging.INFO):
            address, path = get_client_addr(self.scope), get_path_with_query_string(self.scope)
            self.logger.info('%s - "WebSocket %s" [accepted]', address, path)
        lines = [b"%b: %b\r\n" % field for field in (*fields, *self.default_headers)]
        self.transport.write(_SWITCHING + b"".join(lines) + b"\r\n")

    def _let_go(self) -> asyncio.Transport:
        """Give up the transport and what leads from elsewhere to this object. Its application sees a client gone."""
        del self._offers[TAKE_OVER]
        self._unread = b""
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


def _agree_on_extensions(rules: ServerProtocol, offered: bytes) -> list[Field]:
    """Have the connection compress if the client can; the field of the answer that says so."""
    rules.available_extensions = [deflate.OFFER]
    try:
        header, rules.extensions = rules.process_extensions(Headers([(_EXTENSIONS, offered.decode("latin-1"))]))
    except InvalidHandshake:
        return []  # An offer that cannot be read is declined, as it is where there is no compression.
    return [] if header is None else [(_EXTENSIONS.encode(), header.encode())]


def _drop_blank(headers: Headers) -> None:
    """Remove subprotocol headers without a value. Some clients send one to say that they offer none."""
    values = list(headers.get_all(_SUBPROTOCOL))
    if all(value.strip() for value in values):
        return
    del headers[_SUBPROTOCOL]
    for value in values:
        if value.strip():
            headers[_SUBPROTOCOL] = value
