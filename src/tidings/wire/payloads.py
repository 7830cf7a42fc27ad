"""What an application hands over, as the bytes that travel."""

from __future__ import annotations

import msgspec

from tidings.errors import BadRequest
from tidings.wire.centrifuge.json import DEPTH_LIMIT, require_shallow

_encoder = msgspec.json.Encoder()


def encode(value: object) -> bytes:
    """A Python value as JSON; bytes stay as they are, for binary channels or JSON that is encoded already.

    Raises `BadRequest` for what JSON cannot say, and for what nests too deeply for those who read it.
    """
    if isinstance(value, bytes):
        return value
    try:
        encoded = _encoder.encode(value)
        if len(encoded) > DEPTH_LIMIT:
            require_shallow(encoded.decode())
        return encoded
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"cannot be encoded as JSON: {error}") from error
