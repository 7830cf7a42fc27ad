"""Frames, compared with those of the `websockets` library."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from tidings.wire import frames

pytestmark = pytest.mark.core

LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, 100_000]
KINDS = pytest.mark.parametrize(("make", "opcode"), [(frames.text, Opcode.TEXT), (frames.binary, Opcode.BINARY)])


@pytest.mark.parametrize("length", LENGTHS)
@KINDS
def test_serialized(make: Callable[[bytes], bytes], opcode: Opcode, length: int) -> None:
    """A frame has the very bytes that the library writes."""
    payload = b"x" * length
    assert make(payload) == Frame(opcode, payload).serialize(mask=False)


@pytest.mark.parametrize("length", LENGTHS)
@KINDS
def test_parsed(make: Callable[[bytes], bytes], opcode: Opcode, length: int) -> None:
    """A client reads one final frame with nothing behind it."""
    payload = bytes(i % 251 for i in range(length))
    reader = StreamReader()
    reader.feed_data(make(payload))
    assert parse(reader) == Frame(opcode, payload, fin=True)
    assert reader.buffer == b""


def parse(reader: StreamReader) -> Frame:
    steps = Frame.parse(reader.read_exact, mask=False)
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    raise AssertionError("the frame is not complete")


@pytest.mark.parametrize(
    ("frame", "header"),
    [
        (frames.text(b"hi"), b"\x81\x02"),
        (frames.binary(b"\0"), b"\x82\x01"),
        (frames.text(bytes(126)), b"\x81\x7e\x00\x7e"),
        (frames.binary(bytes(65536)), b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_headers(frame: bytes, header: bytes) -> None:
    """RFC 6455, section 5.2: FIN and opcode, no mask, and the length in its shortest form."""
    assert frame.startswith(header)
