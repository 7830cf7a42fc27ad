"""The request of an opening handshake (RFC 6455, section 4.2.1), read at once where there is nothing odd about it.

Nearly every client sends the same few lines. Reading those takes a tenth of what reading any request takes; whatever
looks different in the least is left to those who know all the rules, and how to refuse.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import cast

from msgspec import Struct

HEAD_LIMIT_BYTES = 8192
FIELD_LIMIT = 100
KEY_BYTES = 16

Field = tuple[bytes, bytes]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3.
_LINE = re.compile(rb"GET (/[!-~]*) HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~]*)")
_LIST = re.compile(rb"[A-Za-z0-9_.-]+(?: ?, ?[A-Za-z0-9_.-]+)*")
_OFFER = rb"[A-Za-z-]+(?:; ?[a-z_]+(?:=\d+)?)*"
_OFFERS = re.compile(_OFFER + rb"(?:, ?" + _OFFER + rb")*")
_EXTENSIONS = b"sec-websocket-extensions"
_PROTOCOL = b"sec-websocket-protocol"
_OF_A_BODY = frozenset((b"content-length", b"transfer-encoding"))
_SINGLE = frozenset(
    (
        b"connection",
        b"host",
        b"origin",
        _EXTENSIONS,
        b"sec-websocket-key",
        _PROTOCOL,
        b"sec-websocket-version",
        b"upgrade",
    )
)
"""Fields that a plain request has once at most."""


class Head(Struct, frozen=True):
    """What a client asks for. The names of `fields` are in lower case, `offers` are the subprotocols.

    A field of subprotocols without a value is left out: some clients send one to say that they offer none.
    """

    path: str
    query: str
    fields: list[Field]
    offers: list[str]


def read(data: bytes) -> Head | None:
    """The request that these bytes are, from the first to the last; None where somebody else has to look."""
    if len(data) > HEAD_LIMIT_BYTES or not data.endswith(b"\r\n\r\n"):
        return None
    line, *lines = data[:-4].split(b"\r\n")
    asked = _LINE.fullmatch(line)
    found = [_FIELD.fullmatch(line) for line in lines]
    if asked is None or len(found) > FIELD_LIMIT or None in found:
        return None
    fields = [(field[1].lower(), field[2].rstrip()) for field in cast("list[re.Match[bytes]]", found)]
    named = dict(fields)
    if not _is_handshake(named) or not _OF_A_BODY.isdisjoint(named):
        return None  # What would follow is not ours to judge: whoever is in front of us may take it for a body.
    if len(fields) != len(named) and sum(name in _SINGLE for name, _ in fields) != len(_SINGLE & named.keys()):
        return None  # One of them came twice.
    offers = named.get(_PROTOCOL)
    if offers == b"":
        fields.remove((_PROTOCOL, offers))
    elif offers and _LIST.fullmatch(offers) is None:
        return None
    if _EXTENSIONS in named and _OFFERS.fullmatch(named[_EXTENSIONS]) is None:
        return None
    path, _, query = asked[1].decode("ascii").partition("?")
    return Head(path, query, fields, [offer.strip() for offer in offers.decode().split(",")] if offers else [])


def accept(key: bytes) -> bytes:
    """The answer to a client's key (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _is_handshake(named: dict[bytes, bytes]) -> bool:
    connection = named.get(b"connection", b"").lower()
    if connection != b"upgrade" and not (
        _LIST.fullmatch(connection) and b"upgrade" in [option.strip() for option in connection.split(b",")]
    ):
        return False
    try:
        key = base64.b64decode(named.get(b"sec-websocket-key", b""), validate=True)
    except binascii.Error:
        return False
    return (
        len(key) == KEY_BYTES
        and named.get(b"upgrade", b"").lower() == b"websocket"
        and named.get(b"sec-websocket-version") == b"13"
    )
