"""The WebSocket transport against literal bytes on real sockets: messages, pings, compression."""

from __future__ import annotations

import asyncio
import socket
import zlib
from typing import Any

import pytest
from tests.gateway.transports.conftest import PATIENCE, masked
from websockets.extensions.permessage_deflate import PerMessageDeflate

from tidings.gateway.transports.handshake import Agreement
from tidings.gateway.transports.websocket import TURN_BYTES
from tidings.wire import frames
from tidings.wire.centrifuge.json import JSON
from tidings.wire.centrifuge.protobuf import PROTOBUF

pytestmark = [pytest.mark.shell, pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])]

# FIN and opcode.
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
# The same without FIN, and what continues them.
TEXT_BEGINS, BINARY_BEGINS, CONTINUES, ENDS = 0x01, 0x02, 0x00, 0x80

LIMIT = 65536

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


async def test_byte_by_byte(wire, peer, masked):
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


async def test_a_message_and_a_close_in_one_segment(wire, peer, masked, is_over):
    """What came before the close is received; what the peer answers goes out before the close is answered."""
    peer.receive = lambda payload: peer.transport.write(frames.text(b"you said " + payload))
    wire.raw(masked(TEXT, b"bye") + masked(CLOSE, b"\x03\xe8"))
    assert await wire.frame() == (TEXT, b"you said bye")
    assert await wire.frame() == (CLOSE, b"\x03\xe8")
    assert await is_over(wire, peer) == (1000, "")


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
    """Without native pings `ping` sends nothing."""
    peer.transport.ping()
    peer.transport.write(frames.text(b"first"))
    assert await wire.frame() == (TEXT, b"first")


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


# Compression.


def deflate() -> list[PerMessageDeflate]:
    return [PerMessageDeflate(True, True, 12, 12, {"memLevel": 5})]


def compressed(payload: bytes) -> bytes:
    """RFC 7692, section 7.2.1: deflated, without the four bytes that end each block."""
    packer = zlib.compressobj(wbits=-12)
    return (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.fixture
async def deflating(house: Any) -> Any:
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


async def test_a_decompression_bomb(deflating, enter, until, refused):
    """The limit is on what the message becomes: 64 KiB and one byte are refused, with what little it takes."""
    wire, peer = await enter()
    wire.send(0xC2, compressed(bytes(LIMIT)))
    await until(lambda: peer.received)
    peer.received.clear()
    wire.send(0xC2, compressed(bytes(LIMIT + 1)))
    await refused(wire, peer, 1009)


async def test_a_decompression_bomb_in_pieces(deflating, enter, refused):
    """The same when it is spread over fragments."""
    wire, peer = await enter()
    bomb = compressed(bytes(2 * LIMIT))
    wire.send(0x42, bomb[:50])
    wire.send(ENDS, bomb[50:])
    await refused(wire, peer, 1009)


async def test_what_cannot_be_decompressed(deflating, enter, refused):
    """Is a protocol error."""
    wire, peer = await enter()
    wire.send(0xC1, b"\xff\xff\xff\xff")
    await refused(wire, peer, 1002)


# Turns.


@pytest.mark.parametrize("first", [PING, PONG, TEXT], ids=["pings", "pongs", "messages"])
async def test_who_floods_takes_turns_with_the_others(enter, first):
    """However much is read at once, the loop turns many times before the last of it is looked at; nothing is lost."""
    _, peer = await enter()
    flood = masked(first) * 10_000 + masked(TEXT, b"end")
    peer.transport.data_received(flood)
    turns = 0
    async with asyncio.timeout(PATIENCE):
        while ("text", b"end") not in peer.received:
            turns += 1
            await asyncio.sleep(0)
    assert turns >= len(flood) // TURN_BYTES
    assert len(peer.received) == (10_001 if first is TEXT else 1)


async def test_what_comes_while_some_is_unread_follows_it(enter):
    """And a connection that is lost in between reads no more."""
    _, peer = await enter()
    peer.transport.data_received(masked(TEXT, b"1") * 5000)
    peer.transport.data_received(masked(TEXT, b"2"))
    async with asyncio.timeout(PATIENCE):
        while len(peer.received) < 5001:
            await asyncio.sleep(0)
    assert peer.received[-1] == ("text", b"2")
    peer.transport.data_received(masked(TEXT, b"3") * 5000)
    peer.transport.abort()
    heard = len(peer.received)
    async with asyncio.timeout(PATIENCE):
        while not peer.verdicts:
            await asyncio.sleep(0)
    assert len(peer.received) == heard


# Not listening.


@pytest.fixture
def Pausing(Recorder):
    """A peer that wants no more after it was told "pause"."""

    class Pausing(Recorder):
        def receive(self, payload):
            super().receive(payload)
            if payload.rstrip() == b"pause":
                self.transport.pause_reading()

    return Pausing


async def test_a_pause_stops_the_sender(wire, peer, until):
    """What the client sends fills the kernel's buffers, and then it cannot send; all of it comes after the pause."""
    wire.send(TEXT, b"first")
    await until(lambda: peer.received)
    peer.transport.pause_reading()
    peer.transport.pause_reading()
    sent = 0
    with pytest.raises(TimeoutError):
        while True:
            wire.send(TEXT, b"x" * LIMIT)
            sent += 1
            assert sent < 1000, "a client that is not read can send without end"
            async with asyncio.timeout(0.3):
                await wire.writer.drain()
    assert peer.received == [("text", b"first")]
    peer.transport.resume_reading()
    await until(lambda: len(peer.received) == 1 + sent)


async def test_a_pause_at_the_end_of_a_message_of_several_turns(house, enter, Pausing, until):
    """Stops the sender as well: that the message has been read is no reason to read on."""
    house.peer = Pausing
    wire, peer = await enter()
    wire.send(TEXT, b"pause".ljust(3 * TURN_BYTES))
    await until(lambda: peer.received)
    assert not peer.transport._transport.is_reading()
    peer.transport.resume_reading()
    assert peer.transport._transport.is_reading()


async def test_a_pause_through_tls(secured, until):
    """What was decrypted already may still come; nothing is lost, and everything in order."""
    wire, peer = secured
    wire.send(TEXT, b"0")
    await until(lambda: peer.received)
    peer.transport.pause_reading()
    for number in range(1, 40):
        wire.send(TEXT, b"%02d" % number + b"x" * 30_000)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(peer.received) == 1
    peer.transport.resume_reading()
    await until(lambda: len(peer.received) == 40)
    assert [payload[:2] for _, payload in peer.received[1:]] == [b"%02d" % number for number in range(1, 40)]


async def test_a_pause_within_a_turn(house, enter, Pausing, until):
    """What was read together with the message that brought the pause still comes, up to the end of the turn."""
    house.peer = Pausing
    wire, peer = await enter()
    wire.raw(masked(TEXT, b"pause") + b"".join(masked(TEXT, b"%d" % number) for number in range(20_000)))
    await until(lambda: peer.received)
    for _ in range(100):
        await asyncio.sleep(0)
    before = len(peer.received)
    assert before * len(masked(TEXT, b"0")) <= TURN_BYTES
    peer.transport.resume_reading()
    await until(lambda: len(peer.received) == 20_001)
    assert [payload for _, payload in peer.received[1:]] == [b"%d" % number for number in range(20_000)]


async def test_closing_ends_a_pause(wire, peer, until):
    """Otherwise the client's answer would not be heard, and the connection be cut after a while."""
    peer.transport.pause_reading()
    peer.transport.close(3001, "shutdown")
    assert await wire.closing() == (3001, "shutdown")
    wire.send(CLOSE, b"\x0b\xb9")
    await wire.ended()
    await until(lambda: peer.verdicts)
    peer.transport.pause_reading()
    peer.transport.resume_reading()
