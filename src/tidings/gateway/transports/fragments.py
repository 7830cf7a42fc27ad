"""A message that arrives in pieces (RFC 6455, section 5.4)."""

from __future__ import annotations

import codecs

_utf8 = codecs.getincrementaldecoder("utf-8")


class Fragments:
    """The pieces so far, as one buffer: any number of empty pieces costs nothing.

    How long a message may become is bounded by whoever reads the frames.
    """

    __slots__ = ("_decoder", "_payload")

    def __init__(self, *, text: bool) -> None:
        self._decoder = _utf8() if text else None
        self._payload = bytearray()

    def add(self, piece: bytes, *, final: bool) -> None:
        """Raises `UnicodeDecodeError` with the first piece that makes a text message impossible.

        A character may be cut in two by a fragment's end, but not by the message's (RFC 6455, section 5.6).
        """
        if self._decoder is not None:
            self._decoder.decode(piece, final)
        self._payload += piece

    def whole(self) -> bytes:
        return bytes(self._payload)
