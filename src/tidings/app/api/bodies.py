"""Requests as they come in: bytes to values, and who is at fault when they cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from tidings.app.api.requests import REQUESTS, Request
from tidings.errors import BadRequest

T = TypeVar("T")


class Undecodable(Exception):
    """The body is no JSON object. The message is a sentence for the sender."""


class LegacyRequest(Struct, frozen=True):
    """The envelope of the single endpoint that came before there was one for each method."""

    method: str
    params: Raw = Raw(b"{}")


DECODERS: Mapping[str, Decoder[Request]] = {method: Decoder(request) for method, request in REQUESTS.items()}
LEGACY = Decoder(LegacyRequest)

_OBJECT = Decoder(dict[str, Raw])


def decode(decoder: Decoder[T], body: bytes) -> T:
    """Read a body, which must be UTF-8.

    Raises `Undecodable` for what is not a JSON object, and `BadRequest` for one of the wrong shape; its message names
    the field.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        # The decoder stops at the first surprise; what follows it may be no JSON at all.
        _require_object(body)
        raise BadRequest(str(error)) from error
    except msgspec.DecodeError as error:
        raise Undecodable(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise Undecodable("The body is nested too deeply.") from error


def _require_object(body: bytes) -> None:
    try:
        _OBJECT.decode(body)
    except msgspec.ValidationError as error:
        raise Undecodable(f"The body is not a JSON object: {error}.") from error
    except msgspec.DecodeError as error:
        raise Undecodable(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise Undecodable("The body is nested too deeply.") from error
