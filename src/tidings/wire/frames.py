"""WebSocket frames, made once for many connections.

What a server sends is never masked (RFC 6455, section 5.1), so one message is the same bytes for every client. These
frames are whole messages: final, not fragmented, not compressed. Everything else about WebSocket is left to a library.
"""

from __future__ import annotations

from struct import Struct

# FIN and the opcode (RFC 6455, section 5.2).
_TEXT = 0x81
_BINARY = 0x82

# The first byte, then the payload's length: in 7 bits, or 126 and 16 bits, or 127 and 64 bits.
_short = Struct("!BB").pack
_medium = Struct("!BBH").pack
_long = Struct("!BBQ").pack


def text(payload: bytes) -> bytes:
    """A text message. The payload must be UTF-8, which is not checked."""
    return _header(_TEXT, len(payload)) + payload


def binary(payload: bytes) -> bytes:
    """A binary message."""
    return _header(_BINARY, len(payload)) + payload


def _header(first: int, length: int) -> bytes:
    if length < 126:
        return _short(first, length)
    if length < 65536:
        return _medium(first, 126, length)
    return _long(first, 127, length)
