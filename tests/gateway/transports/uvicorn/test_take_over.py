"""The take-over under uvicorn, and that everything else stays uvicorn's."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import weakref
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import connect

from tidings.gateway.transports.base import TransportTerms
from tidings.gateway.transports.head import Head
from tidings.gateway.transports.uvicorn import TAKE_OVER, WebSocketProtocol
from tidings.gateway.transports.websocket import WebSocketTransport
from tidings.wire import frames

pytestmark = [pytest.mark.shell, pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])]

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A

OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


# The take-over.


@pytest.fixture(params=["httptools", "h11"])
async def served(request: pytest.FixtureRequest, serve: Any, app: Starlette) -> Any:
    return await serve(app, http=request.param)


async def test_a_connection_is_taken_over(served, hub, dial):
    """The handshake is answered, messages go both ways."""
    wire = await dial(served.port)
    status, headers = await wire.handshake("/hub")
    assert status == "HTTP/1.1 101 Switching Protocols"
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert "sec-websocket-protocol" not in headers
    hub.peers[0].receive = lambda payload: hub.peers[0].transport.write(frames.text(payload[::-1]))
    wire.send(TEXT, b"hello")
    assert await wire.frame() == (TEXT, b"olleh")


@pytest.mark.parametrize("path", ["/hub", "/ordinary"])
async def test_a_request_that_is_not_plain(served, hub, dial, path):
    """Long, with a subprotocol and two offers of compression: answered as every other."""
    hub.terms = TransportTerms(compression=True)
    cookies = "".join(f"Cookie: {number}={'x' * 4000}\r\n" for number in range(4))
    offers = "Sec-WebSocket-Extensions: x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
    wire = await dial(served.port)
    status, headers = await wire.handshake(
        path, f"{cookies}{offers}Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: centrifuge-json\r\n"
    )
    assert status == "HTTP/1.1 101 Switching Protocols"
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert headers["sec-websocket-protocol"] == ("centrifuge-json" if path == "/hub" else "chat")
    assert headers["sec-websocket-extensions"].startswith("permessage-deflate")


@pytest.mark.parametrize("path", ["/hub", "/ordinary"])
@pytest.mark.parametrize("field", ["Content-Length: 8", "Transfer-Encoding: chunked"])
async def test_a_handshake_that_announces_a_body(served, hub, dial, until, path, field):
    """Is refused before anybody is asked: its body would be read as messages, and a proxy may see it otherwise."""
    wire = await dial(served.port)
    status, _ = await wire.handshake(path, f"{field}\r\n")
    assert status == "HTTP/1.1 400 Bad Request"
    assert await wire.ended() == b""
    wire.hang_up()
    await until(served.idle)
    assert hub.peers == []


class Mistaken(WebSocketProtocol):
    """Takes everything for a plain request, which the rules then see otherwise."""

    def data_received(self, data: bytes) -> None:
        self._unread = data
        self._begin(Head("/ordinary", "", [], []))


@pytest.mark.parametrize("stops", [False, True])
async def test_a_request_that_the_rules_see_otherwise(serve, app, ordinary, dial, until, stops):
    """Is refused when it is answered, by the application or by a server that stops, and nothing is left of it."""
    served = await serve(app, ws=Mistaken)
    ordinary.gate.clear()
    wire = await dial(served.port)
    asking = asyncio.create_task(wire.handshake("/ordinary", "Content-Length: 8\r\n"))
    await until(lambda: served.state.tasks)
    if stops:
        (connection,) = served.state.connections
        connection.shutdown()
    ordinary.gate.set()
    assert (await asking)[0] == "HTTP/1.1 400 Bad Request"
    assert await wire.ended() == b""
    wire.hang_up()
    await until(served.idle)


async def test_the_scope_is_the_applications(serve, hub, dial):
    """What it removes from there is not missed when the connection is taken over."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"] = []
        await hub(scope, receive, send)

    served = await serve(app)
    status, headers = await (await dial(served.port)).handshake("/")
    assert status == "HTTP/1.1 101 Switching Protocols"
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


async def test_the_subprotocol_is_answered(served, dial):
    """The one that was agreed upon, in uvicorn's answer."""
    wire = await dial(served.port)
    _, headers = await wire.handshake("/hub", "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n")
    assert headers["sec-websocket-protocol"] == "centrifuge-protobuf"


async def test_nothing_of_uvicorn_is_left(served, hub, dial, until):
    """An open connection is one object among the server's connections: no task, and uvicorn's object is gone."""
    originals: list[weakref.ref[Any]] = []
    take = hub.join

    def join(transport: Any) -> Any:
        (uvicorns,) = served.state.connections
        originals.append(weakref.ref(uvicorns))
        return take(transport)

    hub.join = join
    wire = await dial(served.port)
    await wire.handshake("/hub")
    await until(lambda: not served.state.tasks)
    gc.collect()
    assert [type(connection) for connection in served.state.connections] == [WebSocketTransport]
    assert [original() for original in originals] == [None]
    wire.hang_up()
    await until(served.idle)


async def test_what_is_sent_before_the_answer_is_not_lost(served, hub, dial, until, masked):
    """Messages, half a message and a ping wait for the answer; then they are received in order."""
    hub.gate.clear()
    wire = await dial(served.port)
    asking = asyncio.create_task(wire.handshake("/hub"))
    await until(lambda: served.state.tasks)
    (connection,) = served.state.connections
    early = masked(TEXT, b"1") + masked(PING, b"?") + masked(BINARY, b"2") + masked(TEXT, b"3")
    wire.raw(early[:20])
    await until(lambda: not connection.transport.is_reading())
    wire.raw(early[20:])
    hub.gate.set()
    assert (await asking)[0].startswith("HTTP/1.1 101")
    assert await wire.frame() == (PONG, b"?")
    await until(lambda: len(hub.peers[0].received) == 3)
    assert hub.peers[0].received == [("text", b"1"), ("binary", b"2"), ("text", b"3")]


async def test_what_is_sent_early_is_judged_by_our_terms(served, hub, dial, until, masked):
    """Not by uvicorn's limit of 16 MiB."""
    hub.terms = TransportTerms(message_limit_bytes=10)
    hub.gate.clear()
    wire = await dial(served.port)
    asking = asyncio.create_task(wire.handshake("/hub"))
    await until(lambda: served.state.tasks)
    (connection,) = served.state.connections
    wire.raw(masked(TEXT, b"x" * 11))
    await until(lambda: not connection.transport.is_reading())
    hub.gate.set()
    await asking
    assert (await wire.closing())[0] == 1009


async def test_what_comes_with_the_request_is_lost_alone(served, hub, dial, until, masked):
    """A client must wait for the answer (RFC 6455, section 4.1). uvicorn drops what is behind the request in the same
    segment; the connection takes no harm.
    """
    wire = await dial(served.port)
    request = "GET /hub HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    request += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    wire.raw(request.encode() + masked(TEXT, b"too early"))
    await wire.answer()
    wire.send(TEXT, b"in time")
    await until(lambda: hub.peers[0].received)
    assert hub.peers[0].received == [("text", b"in time")]


async def test_the_message_limit_is_ours(served, hub, dial):
    """Not uvicorn's, which is 16 MiB."""
    hub.terms = TransportTerms(message_limit_bytes=100)
    wire = await dial(served.port)
    await wire.handshake("/hub")
    wire.send(BINARY, b"x" * 101)
    assert (await wire.closing())[0] == 1009


async def test_uvicorns_pings_are_off(serve, app, dial):
    """Pinging is the peer's business: a tenth of a second brings none although uvicorn would send ten."""
    served = await serve(app, ws_ping_interval=0.01, ws_ping_timeout=0.01)
    wire = await dial(served.port)
    await wire.handshake("/hub")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wire.reader.read(1), 0.1)


async def test_the_access_log_is_uvicorns(serve, app, dial, caplog):
    """A connection that was taken over is logged like every other."""
    caplog.set_level(logging.INFO, "uvicorn.error")
    served = await serve(app)
    await (await dial(served.port)).handshake("/hub?x=1")
    assert any(record.getMessage().endswith('- "WebSocket /hub?x=1" [accepted]') for record in caplog.records)


async def test_default_headers_are_sent(serve, app, dial):
    """What uvicorn adds to every answer is on this one as well."""
    served = await serve(app)
    served.state.default_headers = [(b"server", b"uvicorn"), (b"date", b"today")]
    _, headers = await (await dial(served.port)).handshake("/hub")
    assert (headers["server"], headers["date"]) == ("uvicorn", "today")


async def test_no_compression_unless_allowed(served, dial):
    """The client offers it and uvicorn would take it."""
    _, headers = await (await dial(served.port)).handshake("/hub", OFFER)
    assert "sec-websocket-extensions" not in headers


@pytest.mark.parametrize("deflate", [True, False])
async def test_compression(serve, app, hub, deflate):
    """Where the terms allow it, whatever uvicorn's own setting, a client that offers it gets it."""
    hub.terms = TransportTerms(compression=True)
    served = await serve(app, ws_per_message_deflate=deflate)
    async with connect(f"ws://127.0.0.1:{served.port}/hub") as client:
        (extension,) = client.protocol.extensions
        assert extension.name == "permessage-deflate"
        await client.send("hello " * 1000)
        transport = hub.peers[0].transport
        transport.write(transport.wrap(b"welcome " * 1000))
        assert await client.recv() == "welcome " * 1000
    assert hub.peers[0].received == [("text", b"hello " * 1000)]


async def test_compression_that_nobody_offers(served, hub, dial):
    """Is not in the answer."""
    hub.terms = TransportTerms(compression=True)
    _, headers = await (await dial(served.port)).handshake("/hub")
    assert "sec-websocket-extensions" not in headers


async def test_an_offer_that_cannot_be_read(serve, app, hub, dial):
    """Is declined."""
    hub.terms = TransportTerms(compression=True)
    served = await serve(app, ws_per_message_deflate=False)
    status, headers = await (await dial(served.port)).handshake("/hub", "Sec-WebSocket-Extensions: ;;=\r\n")
    assert status.startswith("HTTP/1.1 101")
    assert "sec-websocket-extensions" not in headers


async def test_a_client_that_left_before_the_answer(served, hub, dial, until):
    """Nobody joins."""
    hub.gate.clear()
    wire = await dial(served.port)
    asking = asyncio.create_task(wire.handshake("/hub"))
    await until(lambda: served.state.tasks)
    asking.cancel()
    wire.hang_up()
    await until(lambda: not served.state.connections)
    hub.gate.set()
    await until(served.idle)
    assert hub.peers == []


async def test_a_server_that_stops_before_the_answer(served, hub, dial, until):
    """uvicorn has refused the client, so nobody joins."""
    hub.gate.clear()
    wire = await dial(served.port)
    asking = asyncio.create_task(wire.handshake("/hub"))
    await until(lambda: served.state.tasks)
    (connection,) = served.state.connections
    connection.shutdown()
    hub.gate.set()
    assert (await asking)[0] == "HTTP/1.1 500 Internal Server Error"
    await until(served.idle)
    assert hub.peers == []


async def test_a_failure_to_join(served, hub, dial, until, caplog):
    """uvicorn reports it and ends the connection."""

    def fail(transport: Any) -> Any:
        raise RuntimeError("no chair")

    hub.peer = fail
    wire = await dial(served.port)
    await wire.handshake("/hub")
    assert await wire.ended() == b""
    wire.hang_up()
    await until(served.idle)
    assert "no chair" in caplog.text


async def test_an_error_after_the_take_over(serve, hub, dial, until, caplog):
    """The application's later failure is reported; the connection is not uvicorn's any more and stays open."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hub(scope, receive, send)
        raise RuntimeError("afterthought")

    served = await serve(app)
    wire = await dial(served.port)
    await wire.handshake("/")
    await until(lambda: "afterthought" in caplog.text)
    wire.send(PING, b"still here?")
    assert await wire.frame() == (PONG, b"still here?")


async def test_a_connection_can_be_taken_once(serve, hub, dial, until):
    """For the application the client is gone: for a second take-over, when it sends, and when it receives."""
    errors: list[OSError] = []
    received: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        take_over = scope["extensions"][TAKE_OVER]
        await hub(scope, receive, send)
        assert TAKE_OVER not in scope["extensions"]
        for again in (take_over(None, TransportTerms(), hub.join), send({"type": "websocket.send", "text": "hello"})):
            try:
                await again
            except OSError as error:
                errors.append(error)
        received.extend([await receive(), await receive()])

    served = await serve(app)
    await (await dial(served.port)).handshake("/")
    await until(lambda: not served.state.tasks)
    assert len(errors) == 2
    assert received == [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}]
    assert len(hub.peers) == 1


async def test_through_tls(serve, app, hub, tls, until):
    """A stranger's client connects, talks and closes through TLS."""
    server, client = tls
    served = await serve(app, tls=server)
    async with connect(f"wss://127.0.0.1:{served.port}/hub", ssl=client) as connection:
        await connection.send("hello")
        await until(lambda: hub.peers[0].received)
        hub.peers[0].transport.write(frames.binary(b"\x00" * 100_000))
        assert await connection.recv() == b"\x00" * 100_000
    await until(served.idle)
    assert hub.peers[0].verdicts == [(1000, "")]


# An empty subprotocol header.


@pytest.mark.parametrize("path", ["/hub", "/ordinary"])
@pytest.mark.parametrize(
    "header", ["Sec-WebSocket-Protocol:\r\n", "Sec-WebSocket-Protocol: \r\nSec-WebSocket-Protocol:\r\n"]
)
async def test_an_empty_subprotocol_header(served, dial, path, header):
    """Is as good as none."""
    status, headers = await (await dial(served.port)).handshake(path, header)
    assert status.startswith("HTTP/1.1 101")
    assert "sec-websocket-protocol" not in headers


async def test_an_empty_subprotocol_header_beside_another(served, ordinary, dial):
    """The other one counts, for ordinary routes too."""
    header = "Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: chat, talk\r\n"
    _, headers = await (await dial(served.port)).handshake("/ordinary", header)
    assert headers["sec-websocket-protocol"] == "chat"
    assert ordinary.offers == [["chat", "talk"]]


async def test_an_early_piece_of_a_message_for_an_ordinary_route(served, ordinary, dial, until, masked):
    """Is completed by what comes after the answer."""
    ordinary.gate.clear()
    wire = await dial(served.port)
    asking = asyncio.create_task(wire.handshake("/ordinary"))
    await until(lambda: served.state.tasks)
    (connection,) = served.state.connections
    message = masked(TEXT, b"in two halves")
    wire.raw(message[:9])
    await until(lambda: not connection.transport.is_reading())
    ordinary.gate.set()
    await asking
    wire.raw(message[9:])
    assert await wire.frame() == (TEXT, b"in two halves")


async def test_a_refusal_is_not_an_error(served, dial, until, caplog):
    """An application that answers with an HTTP response has answered: nothing is wrong with it."""
    status, _ = await (await dial(served.port)).handshake("/ordinary?deny")
    assert status == "HTTP/1.1 503 Service Unavailable"
    await until(served.idle)
    assert caplog.records == []


# A whole server.


async def test_a_server_stops(app, hub, ordinary, dial, until):
    """It tells our peers and uvicorn's routes, waits for all of them, and leaves nothing behind."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, ws=WebSocketProtocol, log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    ours, theirs = await dial(listener.getsockname()[1]), await dial(listener.getsockname()[1])
    await ours.handshake("/hub")
    await theirs.handshake("/ordinary")
    server.should_exit = True
    assert await ours.closing() == (3001, "shutdown")
    assert await theirs.closing() == (1012, "")
    assert not serving.done()
    assert len(server.server_state.connections) == 1
    ours.send(CLOSE, b"\x0b\xb9")
    await asyncio.wait_for(serving, 5)
    assert server.server_state.connections == set()
    assert hub.peers[0].verdicts == [(3001, "shutdown")]
    assert ordinary.disconnects == [(1012, "")]
