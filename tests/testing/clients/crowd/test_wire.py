"""WebSocket from the client's side, in literal bytes."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as ForeignFrame
from websockets.frames import Opcode

from tidings.testing.clients.crowd.wire import BINARY, PING, TEXT, Frames, Malformed, frame, refusal, request

pytestmark = pytest.mark.core

ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)


def test_the_request() -> None:
    said = request(urlsplit("ws://127.0.0.1:8000/ws?x=1"), {"Origin": "http://here"}, "chat")
    assert said == (
        b"GET /ws?x=1 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: chat\r\nOrigin: http://here\r\n\r\n"
    )
    assert request(urlsplit("ws://host"), {}, "").startswith(b"GET / HTTP/1.1\r\nHost: host\r\n")


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (ACCEPTED, ""),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0", "HTTP/1.1 403 Forbidden"),
        (b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x", "an answer to another handshake"),
        (b"", "an empty answer"),
    ],
)
def test_the_answer_to_it(head: bytes, why: str) -> None:
    assert refusal(head) == why


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"hi", b"\x81\x82\0\0\0\0hi"),
        (b"x" * 126, b"\x81\xfe\0\x7e\0\0\0\0" + b"x" * 126),
        (b"x" * 65536, b"\x81\xff\0\0\0\0\0\1\0\0\0\0\0\0" + b"x" * 65536),
    ],
)
def test_a_message(payload: bytes, said: bytes) -> None:
    assert frame(TEXT, payload) == said


def test_messages_in_parts_with_a_ping_between() -> None:
    said = b"\x01\x02he\x89\x01!\x00\x02ll\x80\x01o\x82\x01x"
    assert list(Frames().feed(said)) == [(PING, b"!"), (TEXT, b"hello"), (BINARY, b"x")]


def test_a_masked_frame_is_refused() -> None:
    with pytest.raises(Malformed, match="masked"):
        list(Frames().feed(b"\x81\x82\0\0\0\0hi"))


@given(st.lists(st.one_of(st.binary(max_size=200), st.just(b"x" * 70_000)), max_size=4), st.data())
def test_bytes_may_come_in_any_pieces(payloads: list[bytes], data: st.DataObject) -> None:
    """As a server that nobody here wrote sends them."""
    said = b"".join(ForeignFrame(Opcode.BINARY, payload).serialize(mask=False) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=6)))
    frames = Frames()
    pieces = [said[start:end] for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    heard = [message for piece in pieces for message in frames.feed(piece)]
    assert heard == [(BINARY, payload) for payload in payloads]


@pytest.mark.timeout(20)
def test_a_huge_message_in_small_pieces() -> None:
    """Each piece is appended in place, and not to a copy of all before it."""
    size, piece = 32 * 2**20, bytes(4096)
    frames = Frames()
    assert list(frames.feed(b"\x82\x7f" + size.to_bytes(8, "big"))) == []
    found = [message for _ in range(size // len(piece)) for message in frames.feed(piece)]
    assert [(opcode, len(content)) for opcode, content in found] == [(2, size)]
    assert list(frames.feed(b"\x81\x01a")) == [(1, b"a")]
