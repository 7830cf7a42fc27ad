"""uvicorn's HTTP protocol with an end to every wait, and with no two ways of reading a request.

Before a request is complete, nobody knows who sends it, so everybody gets little: `handshake_timeout` for its head and
`request_timeout` for its body, `HEAD_LIMIT_BYTES` and `HEADER_LIMIT` for the head. The same patience has an answer that
nobody reads. Without these a client that sends a byte now and then holds a connection for as long as it likes.

What two servers in a row could read in two ways is refused, or ends the connection: more than one Host, other versions
than 1.0 and 1.1, whatever follows a request to upgrade to something that is not a WebSocket. Fields of a trailer are
never taken for those of the head (RFC 9110, section 6.5.1). The parser refuses the rest: two lengths, a length beside
chunks, folded lines.

A refusal never stands in the middle of another answer: requests that came whole before are answered first.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tidings import events
from tidings.gateway.transports.deadlines import Watch
from tidings.hooks import Hooks

HEAD_LIMIT_BYTES = 65536
HEADER_LIMIT = 128
"""What websockets takes of a handshake, too."""

VERSIONS = ("1.0", "1.1")


class HttpTerms(Struct, frozen=True):
    """How long requests may take, in seconds; see the module."""

    handshake_timeout: float = 10.0
    request_timeout: float = 60.0


class Doorkeeper:
    """Watches all connections of a server until they are a WebSocket, or idle. Announces whom it refuses."""

    def __init__(self, terms: HttpTerms, hooks: Hooks) -> None:
        self.terms = terms
        self.hooks = hooks
        self.heads: Watch[HttpProtocol] = Watch(terms.handshake_timeout, HttpProtocol.head_is_late)
        self.bodies: Watch[HttpProtocol] = Watch(terms.request_timeout, HttpProtocol.body_is_late)
        self.answers: Watch[HttpProtocol] = Watch(terms.request_timeout, HttpProtocol.answer_is_late)

    def forget(self, connection: HttpProtocol) -> None:
        """It is gone, or somebody else's."""
        self.heads.discard(connection)
        self.bodies.discard(connection)
        self.answers.discard(connection)


class HttpProtocol(HttpToolsProtocol):
    """See the module. `doorkeeper` is that of the server."""

    def __init__(self, *args: Any, doorkeeper: Doorkeeper, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._doorkeeper = doorkeeper
        self._is_in_head = False
        # What was read since the head began, with whatever followed it in the same read; and what the read that goes on
        # now brought, as far as no earlier request can have a part in it.
        self._head_bytes = self._turn_bytes = 0
        # Why a callback of the parser gave up.
        self._refusal: tuple[int, str] | None = None
        self._is_deaf = False

    # From the event loop.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._doorkeeper.heads.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._doorkeeper.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._unset_keepalive_if_required()
        if self.cycle is None or self.cycle.response_complete:
            # Also where the parser sees nothing begin: empty lines before a request.
            self._expect_head()
        if self._is_in_head:
            self._head_bytes += len(data)
        self._turn_bytes = len(data) if self.cycle is None or not self.cycle.more_body else 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self._upgrade()
        except httptools.HttpParserError:
            self._refuse(*(self._refusal or (400, "not a request of HTTP/1.1")))
        else:
            # The parser holds a field back until it is complete.
            if self._is_in_head and self._head_bytes > HEAD_LIMIT_BYTES:
                self._refuse(431, "the head of the request is too long")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._doorkeeper.answers.add(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._doorkeeper.answers.discard(self)

    # From the parser.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes, self._turn_bytes = self._turn_bytes, 0
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._doorkeeper.heads.discard(self)
        if len(self.headers) > HEADER_LIMIT or (self._head_bytes > HEAD_LIMIT_BYTES and self._is_too_long()):
            self._give_up(431, "the head of the request is too long")
        version = self.parser.get_http_version()
        if version not in VERSIONS:
            self._give_up(505, "only HTTP/1.1 is spoken here")
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            self._give_up(400, "a request has one Host")  # RFC 9112, section 3.2.
        # The scope keeps the list that it has.
        self.headers = _Complete(self.headers)
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            self._doorkeeper.bodies.add(self)
        elif not self._should_upgrade():
            # We go on in HTTP/1.1; whoever is in front may think otherwise of what follows.
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._doorkeeper.bodies.discard(self)
        super().on_message_complete()

    # From the answer.

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._doorkeeper.answers.add(self)

    # From the doorkeeper.

    def head_is_late(self) -> None:
        if self._is_in_head:
            self._refuse(408, "the head of the request took too long")
        elif self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def body_is_late(self) -> None:
        self._refuse(408, "the body of the request took too long")

    def answer_is_late(self) -> None:
        self.transport.abort()

    # Private steps.

    def _upgrade(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # Its answer would stand in the middle of another one.
            self._refuse(400, "a handshake behind a request that is not answered yet")
            return
        # Answers that were not read yet are the WebSocket's to bound.
        self._doorkeeper.forget(self)
        self.handle_websocket_upgrade()

    def _expect_head(self) -> None:
        # While a body is awaited that clock runs, and whatever is read belongs to the body.
        if self not in self._doorkeeper.bodies:
            self._doorkeeper.heads.add(self)

    def _is_too_long(self) -> bool:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_LIMIT_BYTES

    def _give_up(self, status: int, sentence: str) -> None:
        """Leave the parser by an error, which is the only way out of its callbacks."""
        self._refusal = status, sentence
        raise ValueError(sentence)

    def _refuse(self, status: int, sentence: str) -> None:
        if self.transport.is_closing() or self._is_deaf:
            return
        self._is_deaf = True
        self._doorkeeper.forget(self)
        self._doorkeeper.hooks.announce(events.ConnectionRefused(status, sentence, "", self._address()))
        self.flow.pause_reading()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            cycle.keep_alive = False  # What came whole is answered, and then the connection ends.
            return
        if not self.pipeline and (cycle is None or not (cycle.more_body and cycle.response_started)):
            self.transport.write(_answer(status, sentence))  # Otherwise this request has its answer already.
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
        self._doorkeeper.answers.add(self)

    def _address(self) -> str:
        # Not what a proxy says: the request that would say so is the one that cannot be read.
        return self.client[0] if self.client else ""


class _Complete(list[tuple[bytes, bytes]]):
    """The fields of a head. Those of a trailer are not added: whoever is in front of us may not have looked at them."""

    def append(self, field: tuple[bytes, bytes], /) -> None:
        pass


def _answer(status: int, sentence: str) -> bytes:
    body = f"This is refused: {sentence}.".encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
