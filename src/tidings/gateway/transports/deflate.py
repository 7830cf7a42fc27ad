"""permessage-deflate (RFC 7692), every message by itself.

With `no_context_takeover` both ways a message is compressed without regard to earlier ones. An idle connection then
holds no compressor, and a publication is compressed once for all connections with the same window.
"""

from __future__ import annotations

from functools import cache

from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from tidings.gateway.transports.base import Wrap
from tidings.wire import frames

# A window of 4 KiB compresses publications as well as a larger one does and keeps a compressor under 32 KiB.
WINDOW_BITS = 12
SETTINGS = {"memLevel": 5}

# Alone, a shorter message hardly shrinks: without context its names and quotes occur for the first time.
SIZE_FLOOR_BYTES = 128

OFFER = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=WINDOW_BITS,
    client_max_window_bits=WINDOW_BITS,
    compress_settings=SETTINGS,
)


@cache
def wrap(*, binary: bool, window_bits: int) -> Wrap:
    """What makes compressed frames for clients that can unpack a window of 2 ** `window_bits` bytes."""
    opcode = Opcode.BINARY if binary else Opcode.TEXT
    plain = frames.binary if binary else frames.text
    # The first two arguments say "no context takeover": the extension object then carries nothing from one message
    # to the next, and one serves all connections.
    extensions = [PerMessageDeflate(True, True, WINDOW_BITS, window_bits, SETTINGS)]

    def deflated(payload: bytes) -> bytes:
        if len(payload) < SIZE_FLOOR_BYTES:
            return plain(payload)
        return Frame(opcode, payload).serialize(mask=False, extensions=extensions)

    return deflated
