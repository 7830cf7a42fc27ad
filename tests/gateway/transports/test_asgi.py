"""Connections over plain ASGI: against a server in slow motion, and under two of uvicorn's other protocols."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tidings.gateway.transports import asgi
from tidings.gateway.transports.base import TransportTerms
from tidings.gateway.transports.handshake import Agreement
from tidings.wire.centrifuge.json import JSON
from tidings.wire.centrifuge.protobuf import PROTOBUF

pytestmark = [pytest.mark.shell, pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])]

PLAIN = Agreement(JSON)


class Server:
    """An ASGI server that is done by hand: what it tells the application, and what it was told."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        # Cleared for a client that does not read.
        self.reads = asyncio.Event()
        self.reads.set()
        # What sending raises, once the connection is open.
        self.error: Exception | None = None
        # Close codes that it does not send.
        self.refused: set[int] = set()

    def tell(self, kind: str, **event: Any) -> None:
        self.incoming.put_nowait({"type": f"websocket.{kind}", **event})

    async def send(self, event: Any) -> None:
        await self.reads.wait()
        if self.error is not None:
            raise self.error
        if event.get("code") in self.refused:
            raise ValueError(f"invalid close code {event['code']}")
        self.sent.append(event)


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def enter(server: Server, hub: Any, until: Any) -> Callable[..., Awaitable[tuple[asyncio.Task[None], Any]]]:
    """Opens a connection: the application's task and the peer."""

    async def enter(agreement: Agreement = PLAIN) -> tuple[asyncio.Task[None], Any]:
        server.tell("connect")
        serving = asgi.serve(server.incoming.get, server.send, agreement=agreement, terms=hub.terms, join=hub.join)
        task = asyncio.create_task(serving)
        await until(lambda: hub.peers or task.done())
        return task, hub.peers[-1]

    return enter


async def ended(task: asyncio.Task[None]) -> None:
    """Wait until the application has returned by itself."""
    done, _ = await asyncio.wait([task], timeout=5)
    assert done
    task.result()


# Opening.


async def test_a_connection_is_accepted(server, enter):
    """With the agreed subprotocol, and reported by the name of its transport."""
    task, peer = await enter(Agreement(PROTOBUF, "centrifuge-protobuf", native_pings=True))
    assert server.sent == [{"type": "websocket.accept", "subprotocol": "centrifuge-protobuf"}]
    assert peer.transport.name == "asgi"
    server.tell("disconnect")
    await ended(task)


async def test_a_client_that_is_gone_already(server, hub):
    """Is not accepted."""
    server.tell("disconnect", code=1006)
    serving = asgi.serve(server.incoming.get, server.send, agreement=PLAIN, terms=TransportTerms(), join=hub.join)
    await ended(asyncio.create_task(serving))
    assert (server.sent, hub.peers) == ([], [])


async def test_there_are_no_pings(server, enter):
    """ASGI has none, whatever the client asked for: the transport says so, and `ping` does nothing."""
    task, peer = await enter(Agreement(JSON, native_pings=True))
    assert not peer.transport.native_pings
    peer.transport.ping()
    server.tell("disconnect")
    await ended(task)
    assert len(server.sent) == 1


# In.


async def test_messages_are_received(server, enter):
    """Text as UTF-8, binary as it is; servers leave the other key out or set it to None."""
    task, peer = await enter()
    server.tell("receive", text="ä")
    server.tell("receive", bytes=b"\xff")
    server.tell("receive", text="", bytes=None)
    server.tell("receive", text=None, bytes=b"")
    server.tell("disconnect", code=1000)
    await ended(task)
    assert peer.received == [("text", "ä".encode()), ("binary", b"\xff"), ("text", b""), ("binary", b"")]


@pytest.mark.parametrize("message", [{"text": "ä" * 50 + "x"}, {"bytes": bytes(101)}])
async def test_a_message_that_is_too_long(server, hub, enter, until, message):
    """The limit counts bytes, also those of text, and holds for what follows the offence too."""
    hub.terms = TransportTerms(message_limit_bytes=100)
    task, peer = await enter()
    server.tell("receive", bytes=bytes(100))
    server.tell("receive", **message)
    server.tell("receive", text="late")
    await until(lambda: len(server.sent) == 2)
    server.tell("disconnect", code=1009)
    await ended(task)
    assert server.sent[1]["code"] == 1009
    assert peer.received == [("binary", bytes(100))]
    assert peer.verdicts == [(1009, "message too big")]


# Not listening.


async def test_a_pause_leaves_messages_with_the_server(server, enter, until):
    """Which stops reading when it has too many. They come afterwards, in order."""
    task, peer = await enter()
    server.tell("receive", text="1")
    await until(lambda: peer.received)
    peer.transport.pause_reading()
    for number in (2, 3, 4):
        server.tell("receive", text=str(number))
    for _ in range(20):
        await asyncio.sleep(0)
    assert server.incoming.qsize() >= 2
    peer.transport.resume_reading()
    server.tell("disconnect", code=1000)
    await ended(task)
    assert [payload for _, payload in peer.received] == [b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_an_end_ends_a_pause(server, enter, until, end):
    """Otherwise the server's report of the end would not be heard."""
    task, peer = await enter()
    server.tell("receive", text="1")
    await until(lambda: peer.received)
    peer.transport.pause_reading()
    server.tell("receive", text="2")
    if end == "close":
        peer.transport.close(3001, "shutdown")
    else:
        peer.transport.abort()
    server.tell("disconnect", code=1000)
    await ended(task)
    assert peer.verdicts == [(3001, "shutdown") if end == "close" else (1006, "")]


# Out.


@pytest.mark.parametrize(("codec", "expected"), [(JSON, {"text": "1"}), (PROTOBUF, {"bytes": b"1"})])
async def test_a_wrapped_message(server, enter, until, codec, expected):
    """Is of the codec's kind."""
    task, peer = await enter(Agreement(codec))
    peer.transport.write(peer.transport.wrap(b"1"))
    await until(lambda: len(server.sent) == 2)
    assert server.sent[1] == {"type": "websocket.send"} | expected
    server.tell("disconnect")
    await ended(task)


async def test_messages_go_out_in_order(server, enter, until):
    """Wrapped or not, slowly or at once."""
    task, peer = await enter()
    server.reads.clear()
    peer.transport.write(b"1")
    peer.transport.send(b"2", text=False)
    await asyncio.sleep(0)
    server.reads.set()
    peer.transport.write(b"3")
    await until(lambda: len(server.sent) == 4)
    peer.transport.write(b"4")
    await until(lambda: len(server.sent) == 5)
    assert [event.get("text", event.get("bytes")) for event in server.sent[1:]] == ["1", b"2", "3", "4"]
    server.tell("disconnect")
    await ended(task)


async def test_nothing_runs_while_nothing_is_sent(server, enter, until):
    """Besides the server's own task there is one only while messages wait."""
    task, peer = await enter()
    idle = asyncio.all_tasks()
    peer.transport.write(b"1")
    assert len(asyncio.all_tasks()) == len(idle) + 1
    await until(lambda: asyncio.all_tasks() == idle)
    server.tell("disconnect")
    await ended(task)


async def test_connections_share_bytes(server, hub, enter):
    """One wrap for each encoding."""
    agreements = [PLAIN, PLAIN, Agreement(PROTOBUF)]
    transports = [asgi.AsgiTransport(server.send, agreement, TransportTerms()) for agreement in agreements]
    assert transports[0].wrap is transports[1].wrap
    assert transports[0].wrap is not transports[2].wrap


async def test_a_slow_client(server, enter, until):
    """The peer is paused above 64 KiB and resumed when most of it has gone."""
    task, peer = await enter()
    sent_before: list[int] = []
    peer.resume = lambda: sent_before.append(len(server.sent))
    server.reads.clear()
    for _ in range(4):
        peer.transport.write(b"x" * (asgi.HIGH_WATER_BYTES // 4))
    assert peer.calls == []
    peer.transport.write(b"x")
    peer.transport.write(b"x")
    assert peer.calls == ["pause"]
    server.reads.set()
    await until(lambda: sent_before)
    # The handshake's answer and three messages: one of a quarter and two short ones remain.
    assert sent_before == [5]
    server.tell("disconnect")
    await ended(task)


# The end.


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        ({"code": 4000, "reason": "bye"}, (4000, "bye")),
        ({"code": 1001, "reason": None}, (1001, "")),
        ({"code": 1006}, (1006, "")),
        ({}, (1005, "")),
    ],
)
async def test_the_client_closes(server, enter, event, verdict):
    """Its code and reason are reported; 1005 stands for none (RFC 6455, section 7.1.5)."""
    task, peer = await enter()
    server.tell("disconnect", **event)
    await ended(task)
    assert peer.verdicts == [verdict]


async def test_we_close(server, enter, until):
    """What was written goes first, then our code; the server's report ends it, with our code."""
    task, peer = await enter()
    peer.transport.write(b"last words")
    peer.transport.close(3001, "shutdown")
    await until(lambda: len(server.sent) == 3)
    assert server.sent[1:] == [
        {"type": "websocket.send", "text": "last words"},
        {"type": "websocket.close", "code": 3001, "reason": "shutdown"},
    ]
    assert not task.done()
    server.tell("receive", text="crossed")
    server.tell("disconnect", code=1000)
    await ended(task)
    assert peer.verdicts == [(3001, "shutdown")]
    assert peer.received == []


async def test_nobody_waits_for_news_while_the_close_is_said(server, hub, until):
    """granian sends no close as long as somebody does; the client would hear of it when the close timeout is over."""
    waiting = 0

    async def receive() -> Any:
        nonlocal waiting
        waiting += 1
        try:
            return await server.incoming.get()
        finally:
            waiting -= 1

    async def send(event: Any) -> None:
        await server.send({**event, "waiting": waiting})

    server.tell("connect")
    task = asyncio.create_task(asgi.serve(receive, send, agreement=PLAIN, terms=TransportTerms(), join=hub.join))
    await until(lambda: waiting and hub.peers)
    hub.peers[0].transport.close(3001, "shutdown")
    await until(lambda: len(server.sent) == 2)
    assert server.sent[1]["waiting"] == 0
    server.tell("disconnect", code=3001)
    await ended(task)


async def test_a_close_that_the_server_does_not_report(server, hub, enter):
    """After the close timeout the application returns."""
    hub.terms = TransportTerms(close_timeout=0.02)
    task, peer = await enter()
    peer.transport.close(3012, "no pong")
    await ended(task)
    assert peer.verdicts == [(3012, "no pong")]


async def test_a_close_to_a_client_that_does_not_read(server, hub, enter):
    """Nor does it wait longer for what cannot be sent."""
    hub.terms = TransportTerms(close_timeout=0.02)
    task, peer = await enter()
    server.reads.clear()
    peer.transport.write(b"unread")
    peer.transport.close(3008, "slow")
    await ended(task)
    assert peer.verdicts == [(3008, "slow")]
    assert len(server.sent) == 1


async def test_abort(server, hub, enter):
    """What was not sent is forgotten. The server is asked to hang up, and where it cannot, not waited for."""
    hub.terms = TransportTerms(close_timeout=0.02)
    task, peer = await enter()
    server.reads.clear()
    peer.transport.write(b"unread")
    peer.transport.abort()
    await ended(task)
    assert peer.verdicts == [(1006, "")]
    server.reads.set()
    assert len(server.sent) == 1


async def test_a_message_just_before_an_abort(server, enter):
    """Is not sent, although the client would read it; the connection is closed, as not every server does by itself."""
    task, peer = await enter()
    peer.transport.write(b"never mind")
    peer.transport.abort()
    server.tell("disconnect")
    await ended(task)
    assert server.sent[1:] == [{"type": "websocket.close", "code": 1011, "reason": ""}]


async def test_an_abort_of_what_is_over(server, enter):
    """Nothing is said to a server that has reported the end."""
    task, peer = await enter()
    server.tell("disconnect")
    peer.transport.abort()
    await ended(task)
    assert len(server.sent) == 1


@pytest.mark.parametrize(("code", "said"), [(1009, 3501), (1011, 1000)])
async def test_a_close_code_that_the_server_refuses(server, enter, until, code, said):
    """daphne lets an application close with 1000 and from 3000 on: a substitute means the same to the client."""
    task, peer = await enter()
    server.refused = {code}
    peer.transport.close(code, "why")
    await until(lambda: len(server.sent) == 2)
    assert server.sent[1] == {"type": "websocket.close", "code": said, "reason": "why"}
    server.tell("disconnect", code=said)
    await ended(task)
    assert peer.verdicts == [(code, "why")]


async def test_a_close_code_without_a_substitute(server, enter):
    """Is the server's own error, and handed back to it."""
    task, peer = await enter()
    server.refused = {3501}
    peer.transport.close(3501, "bad request")
    with pytest.raises(ValueError, match="3501"):
        await ended(task)


async def test_closing_while_joining(server, hub):
    """A peer may refuse the connection at the door."""

    def refuse(transport: Any) -> Any:
        transport.close(3504, "connection limit")
        return hub.join(transport)

    server.tell("connect")
    task = asyncio.create_task(
        asgi.serve(server.incoming.get, server.send, agreement=PLAIN, terms=TransportTerms(), join=refuse)
    )
    server.tell("disconnect", code=3504)
    await ended(task)
    assert hub.peers[0].verdicts == [(3504, "connection limit")]


async def test_the_server_cancels(server, enter):
    """As when it stops in a hurry: the peer is told, and the cancellation goes on."""
    task, peer = await enter()
    server.reads.clear()
    peer.transport.write(b"unread")
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ended(task)
    assert peer.verdicts == [(1006, "")]


async def test_sending_to_a_client_that_is_gone(server, enter):
    """The server says so with an `OSError`; the connection is over."""
    task, peer = await enter()
    server.error = BrokenPipeError()
    peer.transport.write(b"unheard")
    await ended(task)
    assert peer.verdicts == [(1006, "")]


async def test_a_server_that_fails(server, enter):
    """Its own error is handed back to it."""
    task, peer = await enter()
    server.error = RuntimeError("out of order")
    peer.transport.write(b"unheard")
    with pytest.raises(RuntimeError, match="out of order"):
        await ended(task)
    assert peer.verdicts == [(1006, "")]


@pytest.mark.parametrize("end", ["close", "abort", "lost"])
async def test_writes_after_the_end_do_nothing(server, enter, end):
    """Neither an error nor a message to the server, however the connection ended."""
    task, peer = await enter()
    if end == "close":
        peer.transport.close(3000, "over")
    elif end == "abort":
        peer.transport.abort()
    else:
        server.tell("disconnect")
        await ended(task)
    peer.transport.write(b"nobody hears")
    peer.transport.send(b"nobody hears", text=True)
    peer.transport.close(3500, "again")
    server.tell("disconnect")
    await ended(task)
    assert [event["type"] for event in server.sent if event["type"] == "websocket.send"] == []
    assert len(peer.verdicts) == 1


# Real servers.


@pytest.fixture(params=["websockets-sansio", "wsproto"])
async def served(request: pytest.FixtureRequest, serve: Any, hub: Any) -> Any:
    return await serve(hub, ws=request.param)


async def test_messages_under_uvicorn(served, hub, until):
    """Both kinds, both ways, with a subprotocol."""
    url = f"ws://127.0.0.1:{served.port}/?x=1"
    async with connect(url, subprotocols=["centrifuge-json"]) as client:
        assert client.subprotocol == "centrifuge-json"
        await client.send("ä")
        await client.send(b"\xff")
        (peer,) = hub.peers
        await until(lambda: len(peer.received) == 2)
        assert peer.received == [("text", "ä".encode()), ("binary", b"\xff")]
        peer.transport.write(peer.transport.wrap("ö".encode()))
        peer.transport.send(b"\x00", text=False)
        assert [await client.recv(), await client.recv()] == ["ö", b"\x00"]
    await until(served.idle)
    assert peer.verdicts[0][0] == 1000


async def test_our_close_under_uvicorn(served, hub, until):
    """The client reads what was written before, then our code and reason."""
    async with connect(f"ws://127.0.0.1:{served.port}/") as client:
        (peer,) = hub.peers
        peer.transport.write(b"last words")
        peer.transport.close(3501, "bad request")
        assert await client.recv() == "last words"
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (3501, "bad request")
    await until(served.idle)
    assert peer.verdicts == [(3501, "bad request")]


async def test_abort_under_uvicorn(served, hub, until):
    """The connection ends without a code."""
    async with connect(f"ws://127.0.0.1:{served.port}/") as client:
        hub.peers[0].transport.abort()
        with pytest.raises(ConnectionClosed):
            await client.recv()
    await until(served.idle)


async def test_a_lost_client_under_uvicorn(served, hub, dial, until):
    """A reset by the client is reported by whatever code the server has for it."""
    wire = await dial(served.port)
    await wire.handshake()
    await until(lambda: hub.peers)
    wire.reset()
    await until(served.idle)
    assert hub.peers[0].verdicts[0][0] in (1005, 1006)


async def test_a_client_that_does_not_read_under_uvicorn(served, hub, dial, until):
    """It is paused, and cut when its time is up."""
    hub.terms = TransportTerms(close_timeout=0.05)
    wire = await dial(served.port)
    await wire.handshake()
    wire.writer.transport.pause_reading()
    await until(lambda: hub.peers)
    (peer,) = hub.peers
    for _ in range(200):
        peer.transport.write(b"x" * 100_000)
    assert "pause" in peer.calls
    peer.transport.close(3008, "slow")
    await until(lambda: peer.verdicts)
    assert peer.verdicts == [(3008, "slow")]


async def test_a_stopping_server_under_uvicorn(served, hub, dial, until):
    """uvicorn closes with 1012 and reports it."""
    wire = await dial(served.port)
    await wire.handshake()
    await until(lambda: hub.peers)
    (connection,) = served.state.connections
    connection.shutdown()
    assert (await wire.closing())[0] == 1012
    wire.hang_up()
    await until(served.idle)
    assert hub.peers[0].verdicts[0][0] == 1012
