"""Compressed frames that many clients can read."""

from __future__ import annotations

import zlib

import pytest

from tidings.gateway.transports import deflate

pytestmark = pytest.mark.core

LONG = b'{"push":{"channel":"news","pub":{"data":{"text":"hello"}}}}\n' * 5

# RFC 7692, section 7.2.2: the end of the block, which is not sent.
TAIL = b"\x00\x00\xff\xff"


def inflated(frame: bytes, window_bits: int) -> bytes:
    """The message in a frame of less than 126 bytes, unpacked by somebody with a window of this size."""
    assert len(frame) == frame[1] + 2
    return zlib.decompressobj(wbits=-window_bits).decompress(frame[2:] + TAIL)


@pytest.mark.parametrize(("binary", "first"), [(False, 0xC1), (True, 0xC2)])
def test_a_long_message_is_compressed(binary: bool, first: int):
    """FIN, RSV1 and the opcode, then what zlib unpacks to the message."""
    frame = deflate.wrap(binary=binary, window_bits=12)(LONG)
    assert frame[0] == first
    assert inflated(frame, 12) == LONG


def test_a_short_message_is_not():
    """Without context a short message would not shrink; it goes out plain, which the extension allows."""
    assert deflate.wrap(binary=False, window_bits=12)(b"{}") == b"\x81\x02{}"


def test_messages_do_not_depend_on_each_other():
    """The same message gives the same frame again: whoever missed the first can read the second."""
    wrap = deflate.wrap(binary=False, window_bits=12)
    assert wrap(LONG) == wrap(LONG)


def test_clients_with_the_same_window_share():
    """One function, hence one frame, for all with the same window; another one for a smaller window."""
    wrap = deflate.wrap(binary=False, window_bits=12)
    assert deflate.wrap(binary=False, window_bits=12) is wrap
    assert deflate.wrap(binary=False, window_bits=9) is not wrap


def test_a_small_window_is_kept():
    """A repetition further back than a window of 512 bytes is not referred to: the client has forgotten it."""
    far = bytes(range(256)) + bytes(512) + bytes(range(256))
    frame = deflate.wrap(binary=True, window_bits=9)(far)
    assert frame[:2] == b"\xc2\x7e"
    unpacker, unpacked, rest = zlib.decompressobj(wbits=-9), b"", frame[4:] + TAIL
    while rest:
        unpacked += unpacker.decompress(rest, 16)
        rest = unpacker.unconsumed_tail
    assert unpacked == far
