"""The WebSocket transport against literal bytes, on real sockets. There is no handshake: frames are spoken at once."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tidings.gateway.transports.base import Terms
from tidings.gateway.transports.handshake import Agreement
from tidings.gateway.transports.websocket import WebSocketTransport
from tidings.wire import frames
from tidings.wire.centrifuge.json import JSON
from tidings.wire.centrifuge.protobuf import PROTOBUF

pytestmark = [pytest.mark.shell, pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])]

# FIN and opcode.
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
# The same without FIN, and what continues them.
TEXT_BEGINS, BINARY_BEGINS, CONTINUES, ENDS = 0x01, 0x02, 0x00, 0x80

LIMIT = 65536
EURO = "€".encode()


class Door(asyncio.Protocol):
    """What stands where a server's protocol stood before the take-over."""

    def __init__(self, house: House) -> None:
        self.house = house

    def connection_made(self, transport: asyncio.Transport) -> None:
        house = self.house
        rules = ServerProtocol(state=OPEN, max_size=house.terms.message_limit_bytes)
        rules.extensions = house.extensions()
        ours = WebSocketTransport(transport, rules, house.agreement, house.terms)
        house.peers.append(house.peer(ours))
        ours.open(house.peers[-1], house.connections)


class House:
    """A port, what holds for its connections, and who received them."""

    def __init__(self, peer: Callable[..., Any]) -> None:
        self.peer = peer
        self.agreement = Agreement(JSON)
        # So long that no test passes because the time is up.
        self.terms = Terms(message_limit_bytes=LIMIT, close_timeout=60.0)
        self.extensions: Callable[[], list[Any]] = list
        self.peers: list[Any] = []
        self.connections: set[Any] = set()
        self.port = 0


@pytest.fixture
async def house(Recorder: Any, until: Any) -> AsyncIterator[House]:
    house = House(Recorder)
    server = await asyncio.get_running_loop().create_server(lambda: Door(house), "127.0.0.1", 0)
    house.port = server.sockets[0].getsockname()[1]
    yield house
    server.close()
    for connection in list(house.connections):
        connection.abort()
    await until(lambda: not house.connections)


@pytest.fixture
async def enter(house: House, dial: Any, until: Any) -> Callable[..., Awaitable[tuple[Any, Any]]]:
    """Opens a connection: the client's end and the peer at ours."""

    async def enter() -> tuple[Any, Any]:
        wire = await dial(house.port)
        await until(lambda: house.peers)
        return wire, house.peers[-1]

    return enter


@pytest.fixture
async def open_connection(enter: Any) -> tuple[Any, Any]:
    return await enter()


@pytest.fixture
async def wire(open_connection: tuple[Any, Any]) -> Any:
    return open_connection[0]


@pytest.fixture
async def peer(open_connection: tuple[Any, Any]) -> Any:
    return open_connection[1]


async def is_over(wire: Any, peer: Any, until: Any) -> tuple[int, str]:
    """The stream ends, and the peer knows."""
    assert await wire.ended() == b""
    await until(lambda: peer.verdicts)
    assert len(peer.verdicts) == 1
    return peer.verdicts[0]


# Messages in.


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536])
@pytest.mark.parametrize(("first", "kind"), [(TEXT, "text"), (BINARY, "binary")])
async def test_a_message_of_any_length(wire, peer, until, first, kind, size):
    """The three ways to write a length, at their borders, up to the limit."""
    payload = b"x" * size
    wire.send(first, payload)
    await until(lambda: peer.received)
    assert peer.received == [(kind, payload)]


async def test_the_mask_is_taken_off(wire, peer, until):
    """The example of RFC 6455, section 5.7: "Hello", masked."""
    wire.raw(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
    await until(lambda: peer.received)
    assert peer.received == [("text", b"Hello")]


async def test_every_split_of_a_text(wire, peer, until):
    """A message may be cut anywhere, also within a character."""
    text = "aä€𝄞z".encode()
    for cut in range(len(text) + 1):
        wire.send(TEXT_BEGINS, text[:cut])
        wire.send(ENDS, text[cut:])
    await until(lambda: len(peer.received) == len(text) + 1)
    assert set(peer.received) == {("text", text)}


async def test_a_message_in_many_pieces(wire, peer, until):
    """Pieces of any length, empty ones among them, at the beginning and at the end."""
    wire.send(BINARY_BEGINS)
    for piece in (b"\xff", b"", b"", b"\x00" * 200, b"\xfe"):
        wire.send(CONTINUES, piece)
    wire.send(ENDS)
    await until(lambda: peer.received)
    assert peer.received == [("binary", b"\xff" + b"\x00" * 200 + b"\xfe")]


async def test_byte_by_byte(wire, peer, until, masked):
    """However slowly a frame drips in, it is one message."""
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in masked(TEXT, b"x" * 130) + masked(PING, b"?"):
        wire.raw(bytes([byte]))
        await asyncio.sleep(0)
    assert await wire.frame() == (PONG, b"?")
    assert peer.received == [("text", b"x" * 130)]


async def test_many_messages_in_one_segment(wire, peer, until, masked):
    """They arrive in order, each as itself."""
    wire.raw(masked(TEXT, b"1") + masked(BINARY, b"2") + masked(TEXT_BEGINS, b"3") + masked(ENDS, b"4"))
    await until(lambda: len(peer.received) == 3)
    assert peer.received == [("text", b"1"), ("binary", b"2"), ("text", b"34")]


async def test_a_message_and_a_close_in_one_segment(wire, peer, until, masked):
    """What came before the close is received; what the peer answers goes out before the close is answered."""
    peer.receive = lambda payload: peer.transport.write(frames.text(b"you said " + payload))
    wire.raw(masked(TEXT, b"bye") + masked(CLOSE, b"\x03\xe8"))
    assert await wire.frame() == (TEXT, b"you said bye")
    assert await wire.frame() == (CLOSE, b"\x03\xe8")
    assert await is_over(wire, peer, until) == (1000, "")


# Pings and pongs.


@pytest.mark.parametrize("size", [0, 1, 125])
async def test_a_ping_is_answered(wire, size):
    """With the same payload."""
    wire.send(PING, b"p" * size)
    assert await wire.frame() == (PONG, b"p" * size)


async def test_every_ping_is_answered_in_order(wire, masked):
    """As long as the client reads, each ping has its pong."""
    wire.raw(b"".join(masked(PING, b"%d" % number) for number in range(10)))
    assert [await wire.frame() for _ in range(10)] == [(PONG, b"%d" % number) for number in range(10)]


async def test_a_ping_within_a_message(wire, peer, masked):
    """Control frames may come between fragments, and are answered before the message is complete."""
    peer.receive = lambda payload: peer.transport.write(frames.text(payload))
    wire.raw(masked(TEXT_BEGINS, b"a") + masked(PING, b"1") + masked(CONTINUES, b"b") + masked(PING, b"2"))
    wire.raw(masked(ENDS, b"c") + masked(PING, b"3"))
    expected = [(PONG, b"1"), (PONG, b"2"), (TEXT, b"abc"), (PONG, b"3")]
    assert [await wire.frame() for _ in expected] == expected


async def test_a_pong_is_reported(wire, peer, until):
    """Whether it was asked for is the peer's business."""
    wire.send(PONG, b"anything")
    await until(lambda: peer.calls)
    assert peer.calls == ["pong"]


async def test_a_ping_of_our_own(house, enter):
    """Where the client asked for native pings, `ping` sends an empty one."""
    house.agreement = Agreement(JSON, native_pings=True)
    wire, peer = await enter()
    assert peer.transport.native_pings
    peer.transport.ping()
    assert await wire.frame() == (PING, b"")


async def test_no_ping_that_nobody_asked_for(wire, peer):
    peer.transport.ping()
    peer.transport.write(frames.text(b"first"))
    assert await wire.frame() == (TEXT, b"first")


# Against the rules.


async def refused(wire: Any, peer: Any, until: Any, code: int) -> None:
    """A close frame with this code, then the end of the stream. Once the client has ended it too, the peer knows."""
    closing = await wire.closing()
    assert closing[0] == code
    assert await wire.ended() == b""
    wire.hang_up()
    assert await is_over(wire, peer, until) == closing
    assert peer.received == []


@pytest.mark.parametrize("first", [0xC1, 0xA1, 0x91, 0xF1, 0xC2, 0xC8, 0xC9, 0x41])
async def test_reserved_bits(wire, peer, until, first):
    """RFC 6455, section 5.2: without an extension they must be 0."""
    wire.send(first, b"\x03\xe8")
    await refused(wire, peer, until, 1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF])
async def test_reserved_opcodes(wire, peer, until, opcode):
    """RFC 6455, section 5.2: an unknown opcode fails the connection."""
    wire.send(0x80 | opcode)
    await refused(wire, peer, until, 1002)


@pytest.mark.parametrize("frame", [b"\x81\x02hi", b"\x82\x00", b"\x88\x02\x03\xe8", b"\x89\x00"])
async def test_a_frame_without_mask(wire, peer, until, frame):
    """RFC 6455, section 5.1: a server closes on a frame that is not masked."""
    wire.raw(frame)
    await refused(wire, peer, until, 1002)


@pytest.mark.parametrize("first", [PING, PONG, CLOSE])
async def test_a_long_control_frame(wire, peer, until, first):
    """RFC 6455, section 5.5: 125 bytes at most."""
    wire.send(first, b"\x03\xe8" + b"x" * 124)
    await refused(wire, peer, until, 1002)


@pytest.mark.parametrize("first", [0x09, 0x0A, 0x08])
async def test_a_fragmented_control_frame(wire, peer, until, first):
    """RFC 6455, section 5.5: never."""
    wire.send(first, b"\x03\xe8")
    await refused(wire, peer, until, 1002)


@pytest.mark.parametrize("first", [CONTINUES, ENDS])
async def test_a_continuation_of_nothing(wire, peer, until, first):
    wire.send(first, b"?")
    await refused(wire, peer, until, 1002)


async def test_a_continuation_after_the_end(wire, peer, until, masked):
    """A message that is complete cannot be continued; it was received all the same."""
    wire.raw(masked(TEXT_BEGINS, b"a") + masked(ENDS, b"b") + masked(ENDS, b"c"))
    assert (await wire.closing())[0] == 1002
    assert peer.received == [("text", b"ab")]


@pytest.mark.parametrize("first", [TEXT, BINARY, TEXT_BEGINS, BINARY_BEGINS])
async def test_a_new_message_within_a_message(wire, peer, until, masked, first):
    wire.raw(masked(TEXT_BEGINS, b"a") + masked(first, b"b"))
    await refused(wire, peer, until, 1002)


async def test_a_close_within_a_message(wire, peer, until, masked):
    """The message can never be completed, which is the client's error."""
    wire.raw(masked(TEXT_BEGINS, b"a") + masked(CLOSE, b"\x03\xe8"))
    assert (await wire.closing())[0] == 1002
    assert (await is_over(wire, peer, until))[0] in (1000, 1002)


@pytest.mark.parametrize(
    "payload", [b"\xff", b"a\x80b", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", EURO[:2], b"ok " + EURO[:1]]
)
async def test_text_that_is_not_utf8(wire, peer, until, payload):
    """RFC 6455, section 8.1. Binary messages may hold anything."""
    wire.send(BINARY, payload)
    await until(lambda: peer.received)
    peer.received.clear()
    wire.send(TEXT, payload)
    await refused(wire, peer, until, 1007)


async def test_text_that_cannot_become_utf8(wire, peer, until):
    """The first fragment settles it; the rest is not waited for."""
    wire.send(TEXT_BEGINS, b"never \xff")
    await refused(wire, peer, until, 1007)


async def test_a_character_broken_by_the_next_fragment(wire, peer, until):
    wire.send(TEXT_BEGINS, EURO[:2])
    wire.send(CONTINUES, b"a")
    await refused(wire, peer, until, 1007)


async def test_a_character_broken_by_the_end(wire, peer, until):
    wire.send(TEXT_BEGINS, EURO[:2])
    wire.send(ENDS)
    await refused(wire, peer, until, 1007)


async def test_what_follows_an_error_is_not_received(wire, peer, until, masked):
    """Neither messages nor a close in the same segment; pings may still be answered, after our close frame."""
    wire.raw(masked(TEXT, b"\xff") + masked(TEXT, b"late") + masked(PING) + masked(CLOSE, b"\x03\xe8"))
    while (frame := await wire.frame())[0] != CLOSE:
        assert frame == (PONG, b"")
    await is_over(wire, peer, until)
    assert peer.received == []


async def test_garbage(house, enter, until, masked):
    """Whatever bytes come, in whatever portions: the connection goes on or ends, and is reported to end once."""
    chance = random.Random(6455)
    for _ in range(50):
        wire, peer = await enter()
        for _ in range(20):
            wire.raw(chance.choice([chance.randbytes(9), masked(chance.randrange(256), chance.randbytes(3))]))
            await asyncio.sleep(0)
        wire.hang_up()
        await until(lambda peer=peer: peer.verdicts)
        assert len(peer.verdicts) == 1
        house.peers.clear()
    assert house.connections == set()


# The limit.


@pytest.mark.parametrize("length", [LIMIT + 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
async def test_a_message_that_would_be_too_long(wire, peer, until, length):
    """The announced length settles it: the answer comes although not one byte of the payload does."""
    wire.raw(b"\x82\xff" + struct.pack("!Q", length))
    await refused(wire, peer, until, 1009)


async def test_fragments_that_are_too_long_together(wire, peer, until):
    """The limit is on messages, however they are cut."""
    wire.send(BINARY_BEGINS, b"x" * (LIMIT - 1))
    wire.send(CONTINUES, b"x")
    wire.send(ENDS)
    await until(lambda: peer.received)
    assert len(peer.received.pop()[1]) == LIMIT
    wire.send(BINARY_BEGINS, b"x" * (LIMIT - 1))
    wire.send(CONTINUES, b"x")
    wire.send(ENDS, b"x")
    await refused(wire, peer, until, 1009)


async def test_a_refusal_arrives_while_the_client_still_sends(wire, peer, until, masked):
    """What is still on its way is read and thrown away. Left unread it would make the kernel reset the connection."""
    wire.raw(masked(BINARY, b"x" * 4_000_000))
    await refused(wire, peer, until, 1009)


# The client closes.


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999])
async def test_a_close_is_answered(wire, peer, until, code):
    """With the same code and reason, which the peer hears; then the server ends the stream."""
    payload = struct.pack("!H", code) + "adieu, ça suffit".encode()
    wire.send(CLOSE, payload)
    assert await wire.frame() == (CLOSE, payload)
    assert await is_over(wire, peer, until) == (code, "adieu, ça suffit")


async def test_a_close_without_code(wire, peer, until):
    """Is answered in kind; 1005 says that there was none (RFC 6455, section 7.1.5)."""
    wire.send(CLOSE)
    assert await wire.frame() == (CLOSE, b"")
    assert await is_over(wire, peer, until) == (1005, "")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
async def test_a_code_that_may_not_be_sent(wire, peer, until, code):
    """RFC 6455, section 7.4."""
    wire.send(CLOSE, struct.pack("!H", code))
    await refused(wire, peer, until, 1002)


async def test_half_a_code(wire, peer, until):
    wire.send(CLOSE, b"\x03")
    await refused(wire, peer, until, 1002)


async def test_a_reason_that_is_not_utf8(wire, peer, until):
    wire.send(CLOSE, b"\x03\xe8\xff")
    await refused(wire, peer, until, 1007)


async def test_what_follows_a_close_is_ignored(wire, peer, until, masked):
    """RFC 6455, section 5.5.1: after a close frame there is nothing more to say."""
    wire.raw(masked(CLOSE, b"\x03\xe8") + masked(TEXT, b"but") + b"\xff\xff\xff")
    assert await wire.frame() == (CLOSE, b"\x03\xe8")
    assert await is_over(wire, peer, until) == (1000, "")
    assert peer.received == []


async def test_a_client_that_hangs_up(wire, peer, until):
    """The stream ends without a close frame, perhaps within a frame: 1006, and our side ends as well."""
    wire.raw(b"\x81\x85")
    wire.writer.write_eof()
    assert await is_over(wire, peer, until) == (1006, "")


async def test_a_client_that_is_gone(wire, peer, until):
    """A reset by the client is 1006."""
    wire.reset()
    await until(lambda: peer.verdicts)
    assert peer.verdicts == [(1006, "")]


# We close.


async def test_our_close(wire, peer, until):
    """Our code goes out after what was written; the client's answer ends the connection with our code."""
    peer.transport.write(frames.text(b"last words"))
    peer.transport.close(3001, "shutdown")
    assert await wire.frame() == (TEXT, b"last words")
    assert await wire.closing() == (3001, "shutdown")
    assert peer.verdicts == []
    wire.send(CLOSE, b"\x03\xe8")
    assert await is_over(wire, peer, until) == (3001, "shutdown")


async def test_after_our_close_nothing_is_received(wire, peer, until):
    """A message that crossed our close frame is not for anybody; a ping may still be answered."""
    peer.transport.close(3000, "")
    wire.send(TEXT, b"crossed")
    wire.send(PING, b"still there?")
    assert await wire.closing() == (3000, "")
    assert await wire.frame() == (PONG, b"still there?")
    wire.send(CLOSE)
    assert await is_over(wire, peer, until) == (3000, "")
    assert peer.received == []


async def test_a_close_between_two_messages_of_a_segment(wire, peer, until, masked):
    """The peer closed on the first message, so the second one is not received."""
    peer.receive = lambda payload: (peer.received.append(payload), peer.transport.close(3501, "bad request"))
    wire.raw(masked(TEXT, b"1") + masked(TEXT, b"2"))
    assert await wire.closing() == (3501, "bad request")
    assert peer.received == [b"1"]


async def test_both_close(wire, peer, until, masked):
    """The client's close came in the segment that made the peer close: the client's counts, one close frame goes out."""
    peer.receive = lambda payload: peer.transport.close(3501, "bad request")
    wire.raw(masked(TEXT, b"?") + masked(CLOSE, b"\x0f\xa0"))
    assert await wire.closing() == (4000, "")
    assert await is_over(wire, peer, until) == (4000, "")


async def test_a_long_reason(wire, peer):
    """Its beginning is sent, and no character is cut."""
    peer.transport.close(4000, "€" * 100)
    assert await wire.closing() == (4000, "€" * 41)


async def test_a_close_that_is_not_answered(house, enter, until):
    """After the close timeout the connection is cut; the code is still ours."""
    house.terms = Terms(close_timeout=0.05)
    wire, peer = await enter()
    peer.transport.close(3012, "no pong")
    await until(lambda: peer.verdicts)
    assert peer.verdicts == [(3012, "no pong")]
    assert house.connections == set()


async def test_a_close_to_a_client_that_does_not_read(house, enter, until):
    """What cannot be sent within the close timeout is given up."""
    house.terms = Terms(close_timeout=0.05)
    wire, peer = await enter()
    wire.writer.transport.pause_reading()
    peer.transport.write(bytes(20_000_000))
    peer.transport.close(3008, "slow")
    await until(lambda: peer.verdicts)
    assert peer.verdicts == [(3008, "slow")]


async def test_a_goodbye_that_cannot_be_sent(house, enter, until):
    """The same when the client closes, or just hangs up, without reading what was written to it."""
    house.terms = Terms(close_timeout=0.05)
    for end in (lambda wire: wire.send(CLOSE, b"\x03\xe8"), lambda wire: wire.writer.write_eof()):
        wire, peer = await enter()
        wire.writer.transport.pause_reading()
        peer.transport.write(bytes(20_000_000))
        end(wire)
        await until(lambda peer=peer: peer.verdicts)
        house.peers.clear()


async def test_abort(wire, peer, until):
    """The connection is cut, what was not sent is forgotten, the peer hears 1006."""
    wire.writer.transport.pause_reading()
    peer.transport.write(bytes(20_000_000))
    peer.transport.abort()
    await until(lambda: peer.verdicts)
    assert peer.verdicts == [(1006, "")]


async def test_shutdown_is_the_peers(house, wire, peer):
    """The server tells each of its connections to end, and the peer chooses the words."""
    (connection,) = house.connections
    connection.shutdown()
    assert await wire.closing() == (3001, "shutdown")


@pytest.mark.parametrize("end", ["close", "abort", "lost"])
async def test_writes_after_the_end_do_nothing(house, wire, peer, until, caplog, end):
    """Neither an error nor one of asyncio's warnings, however many there are."""
    transport = peer.transport
    if end == "close":
        transport.close(3000, "over")
    elif end == "abort":
        transport.abort()
    else:
        wire.reset()
        await until(lambda: peer.verdicts)
    with caplog.at_level(logging.DEBUG):
        for _ in range(20):
            transport.write(frames.text(b"nobody hears"))
            transport.send(b"nobody hears", text=True)
            transport.ping()
            transport.close(3500, "again")
        transport.abort()
        await until(lambda: not house.connections)
    assert [record for record in caplog.records if record.name == "asyncio"] == []
    assert len(peer.verdicts) == 1


# Out.


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
@pytest.mark.parametrize(("codec", "first"), [(JSON, TEXT), (PROTOBUF, BINARY)])
async def test_a_wrapped_message(house, enter, codec, first, size):
    """What `wrap` makes is a frame of the codec's kind."""
    house.agreement = Agreement(codec)
    wire, peer = await enter()
    peer.transport.write(peer.transport.wrap(b"x" * size))
    assert await wire.frame() == (first, b"x" * size)


async def test_a_message_of_either_kind(wire, peer):
    """`send` says which, whatever the codec."""
    peer.transport.send(b"{}", text=True)
    peer.transport.send(b"\xff", text=False)
    assert [await wire.frame() for _ in range(2)] == [(TEXT, b"{}"), (BINARY, b"\xff")]


async def test_connections_share_frames(house, enter):
    """`wrap` is the same object for all clients of an encoding."""
    (_, one), (_, other) = await enter(), await enter()
    house.agreement = Agreement(PROTOBUF)
    _, third = await enter()
    assert one.transport.wrap is other.transport.wrap
    assert one.transport.wrap is not third.transport.wrap


async def test_small_frames_are_not_held_back(house, wire, peer):
    """TCP_NODELAY is on."""
    (connection,) = house.connections
    end = connection._transport.get_extra_info("socket")
    assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_slow_client(wire, peer, until):
    """The peer is told when the client does not keep up, and when it has caught up."""
    wire.writer.transport.pause_reading()
    await until(lambda: peer.transport.write(bytes(100_000)) or peer.calls)
    assert peer.calls == ["pause"]
    wire.writer.transport.resume_reading()
    reading = asyncio.create_task(wire.ended())
    await until(lambda: peer.calls == ["pause", "resume"])
    reading.cancel()


async def test_pings_of_a_client_that_does_not_read(wire, peer, until, masked):
    """RFC 6455, section 5.5.3: the latest ping alone may be answered. A flood of them costs no memory."""
    wire.writer.transport.pause_reading()
    sent = 0
    while not peer.calls:
        peer.transport.write(frames.binary(bytes(10_000)))
        sent += 1
    wire.raw(b"".join(masked(PING, b"%d" % number) for number in range(100)) + masked(TEXT, b"mark"))
    await until(lambda: peer.received)
    wire.writer.transport.resume_reading()
    assert [await wire.frame() for _ in range(sent)] == [(BINARY, bytes(10_000))] * sent
    assert await wire.frame() == (PONG, b"99")


# TLS.


@pytest.fixture
async def secured(house: House, dial: Any, tls: Any, until: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A connection through TLS: the client's end and the peer at ours."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Door(house), "127.0.0.1", 0, ssl=tls[0])
    wire = await dial(server.sockets[0].getsockname()[1], ssl=tls[1])
    await until(lambda: house.peers)
    yield wire, house.peers[-1]
    server.close()


async def test_messages_through_tls(secured, until):
    """In both directions, longer than a TLS record."""
    wire, peer = secured
    wire.send(BINARY, b"x" * LIMIT)
    await until(lambda: peer.received)
    peer.transport.write(frames.binary(peer.received[0][1]))
    assert await wire.frame() == (BINARY, b"x" * LIMIT)


async def test_a_clients_close_through_tls(secured, until):
    """Where a stream has no half, the server ends it as a whole once everything is said."""
    wire, peer = secured
    wire.send(CLOSE, b"\x0f\xa0bye")
    assert await wire.closing() == (4000, "bye")
    assert await is_over(wire, peer, until) == (4000, "bye")


async def test_our_close_through_tls(secured, until):
    wire, peer = secured
    peer.transport.close(3001, "shutdown")
    assert await wire.closing() == (3001, "shutdown")
    wire.send(CLOSE, b"\x0b\xb9")
    assert await is_over(wire, peer, until) == (3001, "shutdown")


async def test_an_error_through_tls(secured, until):
    wire, peer = secured
    wire.raw(b"\x81\x02hi")
    await refused(wire, peer, until, 1002)


async def test_a_client_that_hangs_up_through_tls(secured, until):
    wire, peer = secured
    wire.hang_up()
    await until(lambda: peer.verdicts)
    assert peer.verdicts == [(1006, "")]


async def test_writes_after_an_abort_through_tls(secured, until, caplog):
    """As without TLS: no error, no warning."""
    wire, peer = secured
    peer.transport.abort()
    for _ in range(20):
        peer.transport.write(frames.text(b"nobody hears"))
    await until(lambda: peer.verdicts)
    assert caplog.records == []


# Compression.


def deflate() -> list[PerMessageDeflate]:
    return [PerMessageDeflate(True, True, 12, 12, {"memLevel": 5})]


def compressed(payload: bytes) -> bytes:
    """RFC 7692, section 7.2.1: deflated, without the four bytes that end each block."""
    packer = zlib.compressobj(wbits=-12)
    return (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.fixture
async def deflating(house: House) -> House:
    house.extensions = deflate
    return house


async def test_a_compressed_message(deflating, enter, until):
    """RSV1 on the first frame says so; messages that are not compressed remain welcome."""
    wire, peer = await enter()
    wire.send(0xC1, compressed(b"hello " * 100))
    wire.send(TEXT, b"plain")
    whole = compressed(b"in pieces " * 100)
    wire.send(0x41, whole[:5])
    wire.send(ENDS, whole[5:])
    await until(lambda: len(peer.received) == 3)
    assert [payload for _, payload in peer.received] == [b"hello " * 100, b"plain", b"in pieces " * 100]


async def test_a_compressed_answer(deflating, enter):
    """A long message goes out compressed, and the frame is shared."""
    wire, peer = await enter()
    _, other = await enter()
    assert peer.transport.wrap is other.transport.wrap
    peer.transport.write(peer.transport.wrap(b"hello " * 100))
    first, payload = await wire.frame()
    assert first == 0xC1
    assert zlib.decompressobj(wbits=-12).decompress(payload + b"\x00\x00\xff\xff") == b"hello " * 100


async def test_a_decompression_bomb(deflating, enter, until):
    """The limit is on what the message becomes: 64 KiB and one byte are refused, with what little it takes."""
    wire, peer = await enter()
    wire.send(0xC2, compressed(bytes(LIMIT)))
    await until(lambda: peer.received)
    peer.received.clear()
    wire.send(0xC2, compressed(bytes(LIMIT + 1)))
    await refused(wire, peer, until, 1009)


async def test_a_decompression_bomb_in_pieces(deflating, enter, until):
    """The same when it is spread over fragments."""
    wire, peer = await enter()
    bomb = compressed(bytes(2 * LIMIT))
    wire.send(0x42, bomb[:50])
    wire.send(ENDS, bomb[50:])
    await refused(wire, peer, until, 1009)


async def test_what_cannot_be_decompressed(deflating, enter, until):
    wire, peer = await enter()
    wire.send(0xC1, b"\xff\xff\xff\xff")
    await refused(wire, peer, until, 1002)
