"""Requests as they come in: bytes to values, and whose fault it is when they cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from tidings.app.api.requests import REQUESTS, Request
from tidings.app.wording import plain
from tidings.errors import BadRequest

T = TypeVar("T")

_NULL = Raw(b"null")


class NotJson(Exception):
    """This is no JSON object. The message says what it is, for whoever sent it."""


class LegacyRequest(Struct, frozen=True):
    """The envelope of the single endpoint that came before there was one for each method."""

    method: str
    params: Raw = _NULL

    def body(self) -> bytes:
        """What a request to the method's own endpoint would have as its body."""
        params = bytes(self.params)
        return b"{}" if params == b"null" else params


METHODS: Mapping[str, Decoder[Request]] = {method: Decoder(request) for method, request in REQUESTS.items()}
LEGACY = Decoder(LegacyRequest)

_OBJECT = Decoder(dict[str, Raw])


def require_utf8(body: bytes) -> None:
    """Raise `NotJson` for other bytes. The decoder looks at texts that it reads, not at payloads that it skips."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8: {error.reason} at byte {error.start}") from error


def decode(decoder: Decoder[T], body: bytes | Raw) -> T:
    """Read a body, which must be UTF-8.

    Raises `NotJson` for what is not a JSON object, and `BadRequest` for one of another shape than asked for; its
    message names the field.
    """
    try:
        return _read(decoder, body)
    except msgspec.ValidationError as error:
        # The decoder stops at the first surprise; what follows it may be no JSON at all.
        _require_object(body)
        raise BadRequest(plain(error)) from error


def _require_object(body: bytes | Raw) -> None:
    try:
        _read(_OBJECT, body)
    except msgspec.ValidationError as error:
        raise NotJson(f"not a JSON object: {plain(error)}") from error


def _read(decoder: Decoder[T], body: bytes | Raw) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        raise NotJson(f"not JSON: {error}") from error
    except RecursionError as error:
        raise NotJson("nested too deeply") from error
