"""What an application hands over, as the bytes that travel."""

from __future__ import annotations

import msgspec

from tidings.errors import BadRequest

_encoder = msgspec.json.Encoder()


def encode(value: object) -> bytes:
    """A Python value as JSON; bytes stay as they are, for binary channels or JSON that is encoded already.

    Raises `BadRequest` for what JSON cannot say.
    """
    if isinstance(value, bytes):
        return value
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"cannot be encoded as JSON: {error}") from error
