"""What a client may not do, against literal bytes on real sockets (RFC 6455)."""

from __future__ import annotations

import asyncio
import random
import struct

import pytest

pytestmark = [pytest.mark.shell, pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])]

# FIN and opcode.
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
# The same without FIN, and what continues them.
TEXT_BEGINS, BINARY_BEGINS, CONTINUES, ENDS = 0x01, 0x02, 0x00, 0x80

LIMIT = 65536
EURO = "€".encode()

# Against the rules.


@pytest.mark.parametrize("first", [0xC1, 0xA1, 0x91, 0xF1, 0xC2, 0xC8, 0xC9, 0x41])
async def test_reserved_bits(wire, peer, first, refused):
    """RFC 6455, section 5.2: without an extension they must be 0."""
    wire.send(first, b"\x03\xe8")
    await refused(wire, peer, 1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF])
async def test_reserved_opcodes(wire, peer, opcode, refused):
    """RFC 6455, section 5.2: an unknown opcode fails the connection."""
    wire.send(0x80 | opcode)
    await refused(wire, peer, 1002)


@pytest.mark.parametrize("frame", [b"\x81\x02hi", b"\x82\x00", b"\x88\x02\x03\xe8", b"\x89\x00"])
async def test_a_frame_without_mask(wire, peer, frame, refused):
    """RFC 6455, section 5.1: a server closes on a frame that is not masked."""
    wire.raw(frame)
    await refused(wire, peer, 1002)


@pytest.mark.parametrize("first", [PING, PONG, CLOSE])
async def test_a_long_control_frame(wire, peer, first, refused):
    """RFC 6455, section 5.5: 125 bytes at most."""
    wire.send(first, b"\x03\xe8" + b"x" * 124)
    await refused(wire, peer, 1002)


@pytest.mark.parametrize("first", [0x09, 0x0A, 0x08])
async def test_a_fragmented_control_frame(wire, peer, first, refused):
    """RFC 6455, section 5.5: never."""
    wire.send(first, b"\x03\xe8")
    await refused(wire, peer, 1002)


@pytest.mark.parametrize("first", [CONTINUES, ENDS])
async def test_a_continuation_of_nothing(wire, peer, first, refused):
    """RFC 6455, section 5.4: there is no message to continue."""
    wire.send(first, b"?")
    await refused(wire, peer, 1002)


async def test_a_continuation_after_the_end(wire, peer, masked):
    """A message that is complete cannot be continued; it was received all the same."""
    wire.raw(masked(TEXT_BEGINS, b"a") + masked(ENDS, b"b") + masked(ENDS, b"c"))
    assert (await wire.closing())[0] == 1002
    assert peer.received == [("text", b"ab")]


@pytest.mark.parametrize("first", [TEXT, BINARY, TEXT_BEGINS, BINARY_BEGINS])
async def test_a_new_message_within_a_message(wire, peer, masked, first, refused):
    """RFC 6455, section 5.4: fragments of messages are not interleaved."""
    wire.raw(masked(TEXT_BEGINS, b"a") + masked(first, b"b"))
    await refused(wire, peer, 1002)


async def test_a_close_within_a_message(wire, peer, masked, is_over):
    """The message can never be completed, which is the client's error."""
    wire.raw(masked(TEXT_BEGINS, b"a") + masked(CLOSE, b"\x03\xe8"))
    assert (await wire.closing())[0] == 1002
    assert (await is_over(wire, peer))[0] in (1000, 1002)


@pytest.mark.parametrize(
    "payload", [b"\xff", b"a\x80b", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", EURO[:2], b"ok " + EURO[:1]]
)
async def test_text_that_is_not_utf8(wire, peer, until, payload, refused):
    """RFC 6455, section 8.1. Binary messages may hold anything."""
    wire.send(BINARY, payload)
    await until(lambda: peer.received)
    peer.received.clear()
    wire.send(TEXT, payload)
    await refused(wire, peer, 1007)


async def test_text_that_cannot_become_utf8(wire, peer, refused):
    """The first fragment settles it; the rest is not waited for."""
    wire.send(TEXT_BEGINS, b"never \xff")
    await refused(wire, peer, 1007)


async def test_a_character_broken_by_the_next_fragment(wire, peer, refused):
    """What follows two bytes of three is not the third."""
    wire.send(TEXT_BEGINS, EURO[:2])
    wire.send(CONTINUES, b"a")
    await refused(wire, peer, 1007)


async def test_a_character_broken_by_the_end(wire, peer, refused):
    """The message ends after two bytes of three."""
    wire.send(TEXT_BEGINS, EURO[:2])
    wire.send(ENDS)
    await refused(wire, peer, 1007)


async def test_what_follows_an_error_is_not_received(wire, peer, masked, is_over):
    """Neither messages nor a close in the same segment; pings may still be answered, after our close frame."""
    wire.raw(masked(TEXT, b"\xff") + masked(TEXT, b"late") + masked(PING) + masked(CLOSE, b"\x03\xe8"))
    while (frame := await wire.frame())[0] != CLOSE:
        assert frame == (PONG, b"")
    await is_over(wire, peer)
    assert peer.received == []


async def test_pings_that_follow_an_error(wire, peer, masked, refused):
    """Our half of the stream has ended, so they are not answered."""
    wire.raw(masked(TEXT, b"\xff") + masked(PING) * 20)
    await refused(wire, peer, 1007)


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
    await until(lambda: not house.connections)


# The limit.


@pytest.mark.parametrize("length", [LIMIT + 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
async def test_a_message_that_would_be_too_long(wire, peer, length, refused):
    """The announced length settles it: the answer comes although not one byte of the payload does."""
    wire.raw(b"\x82\xff" + struct.pack("!Q", length))
    await refused(wire, peer, 1009)


async def test_fragments_that_are_too_long_together(wire, peer, until, refused):
    """The limit is on messages, however they are cut."""
    wire.send(BINARY_BEGINS, b"x" * (LIMIT - 1))
    wire.send(CONTINUES, b"x")
    wire.send(ENDS)
    await until(lambda: peer.received)
    assert len(peer.received.pop()[1]) == LIMIT
    wire.send(BINARY_BEGINS, b"x" * (LIMIT - 1))
    wire.send(CONTINUES, b"x")
    wire.send(ENDS, b"x")
    await refused(wire, peer, 1009)


async def test_a_refusal_arrives_while_the_client_still_sends(wire, peer, masked, refused):
    """What is still on its way is read and thrown away. Left unread it would make the kernel reset the connection."""
    wire.raw(masked(BINARY, b"x" * 4_000_000))
    await refused(wire, peer, 1009)
