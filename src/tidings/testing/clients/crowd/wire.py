"""WebSocket from the client's side, as little of it as a crowd needs: a prepared request, frames in both directions.

Pure: bytes in, bytes out. What a client sends is masked with zeros, which is a mask (RFC 6455, section 5.3), so that
one prepared message is the same bytes for all clients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_CONTINUATION = 0x0
_FIN = 0x80

# Any nonce is good for a test; this one and its answer are those of RFC 6455, section 1.3.
_NONCE, _ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class Malformed(ValueError):
    """The server sent what is not WebSocket."""


def request(address: SplitResult, headers: Mapping[str, str], subprotocol: str) -> bytes:
    """The opening handshake, which is the same for all clients."""
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    fields = {
        "Host": address.netloc.rpartition("@")[2],
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": _NONCE,
        "Sec-WebSocket-Version": "13",
        **({"Sec-WebSocket-Protocol": subprotocol} if subprotocol else {}),
        **headers,
    }
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def refusal(head: bytes) -> str:
    """What an answer to the handshake says that is not consent; "" for consent."""
    status = head.partition(b"\r\n")[0].decode(errors="replace")
    if not status.startswith("HTTP/1.1 101"):
        return status or "an empty answer"
    return "" if _ACCEPT in head else "an answer to another handshake"


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole message of a client."""
    length = len(payload)
    if length < 126:
        head = bytes((_FIN | opcode, 0x80 | length))
    elif length < 65536:
        head = bytes((_FIN | opcode, 0xFE)) + length.to_bytes(2, "big")
    else:
        head = bytes((_FIN | opcode, 0xFF)) + length.to_bytes(8, "big")
    return head + bytes(4) + payload


class Frames:
    """Takes bytes in as they come, and gives messages out as they are whole: the opcode and the payload."""

    __slots__ = ("_buffer", "_fragments", "_opcode")

    def __init__(self) -> None:
        self._buffer: bytes | bytearray = b""
        self._opcode = 0
        self._fragments: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Raises `Malformed`."""
        buffer = self._appended(data)
        at = 0
        while (bounds := _bounds(buffer, at)) is not None:
            start, end = bounds
            first, payload = buffer[at], bytes(buffer[start:end])
            at = end
            if first & _FIN and first & 0x0F != _CONTINUATION:
                yield first & 0x0F, payload
            else:
                yield from self._fragment(first, payload)
        self._buffer = buffer[at:] if at else buffer

    def _appended(self, data: bytes) -> bytes | bytearray:
        """What is there, in place from the second piece on: a huge message comes in thousands of them."""
        if not self._buffer:
            return data
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer)
        self._buffer += data
        return self._buffer

    def _fragment(self, first: int, payload: bytes) -> Iterator[tuple[int, bytes]]:
        """A part of a message. Control frames, which are never in parts, may come in between (section 5.4)."""
        if first & 0x0F != _CONTINUATION:
            self._opcode = first & 0x0F
        self._fragments.append(payload)
        if first & _FIN:
            whole, self._fragments = b"".join(self._fragments), []
            yield self._opcode, whole


def _bounds(buffer: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """Where the payload of the next frame begins and ends; None while the frame is not whole."""
    there = len(buffer) - at
    if there < 2:
        return None
    length, start = buffer[at + 1], at + 2
    if length > 127:
        raise Malformed("a masked frame, which only clients send")
    wide = {126: 2, 127: 8}.get(length, 0)
    if wide:
        if there < 2 + wide:
            return None
        length = int.from_bytes(buffer[start : start + wide], "big")
        start += wide
    return (start, start + length) if len(buffer) >= start + length else None
