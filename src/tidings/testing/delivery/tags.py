"""Payloads that carry an id, so that a publication is recognised wherever it turns up.

>>> payload = stamped("p-17", price=3)
>>> tag_of(b'{"price": 3, "id": "p-17"}')
Tag(id='p-17', content='{"id":"p-17","price":3}')

Two payloads have the same content when they are the same JSON value, in whatever order and with whatever spaces it is
written, or else the same bytes.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import msgspec
from msgspec import Struct

MARK = b"tidings-id:"
LONGEST = 200
"""Characters of a content that are kept as they are. A longer one is its beginning and a digest of the whole."""
BEGINNING = 60


class Tag(Struct, frozen=True):
    """What a payload says: its `id`, "" where there is none, and its `content` as text that can be compared."""

    id: str
    content: str


def stamped(id: str = "", /, **fields: Any) -> dict[str, Any]:
    """A JSON payload with these fields and an id; with one that nobody else has, where none is given."""
    return {"id": id or secrets.token_hex(8), **fields}


def stamped_bytes(id: str = "", body: bytes = b"") -> bytes:
    """A payload for binary channels: the id in the first line, then `body`. An id of two lines is a `ValueError`."""
    if "\n" in id:
        raise ValueError(f"an id has no line breaks, and this one does: {id!r}")
    return MARK + (id or secrets.token_hex(8)).encode() + b"\n" + body


def tag_of(payload: Any) -> Tag:
    """What a payload says, given as bytes from the wire or as the JSON value itself. Never raises for what came in."""
    if not isinstance(payload, bytes | bytearray | memoryview):
        return _tag_of_value(payload)
    data = bytes(payload)
    if data.startswith(MARK):
        first, _, _ = data.removeprefix(MARK).partition(b"\n")
        return Tag(first.decode(errors="replace"), _short(_text(data)))
    try:
        return _tag_of_value(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Tag("", _short(_text(data)))


def _tag_of_value(value: Any) -> Tag:
    id = value.get("id") if isinstance(value, dict) else None
    return Tag(id if isinstance(id, str) else "", _short(msgspec.json.encode(value, order="sorted").decode()))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"hex:{data.hex()}"


def _short(content: str) -> str:
    if len(content) <= LONGEST:
        return content
    digest = hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()
    return f"{content[:BEGINNING]}... sha256:{digest}"
