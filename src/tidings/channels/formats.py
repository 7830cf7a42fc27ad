"""What the payload of a publication must look like."""

from __future__ import annotations

import msgspec

from tidings.channels.options import ChannelOptions, DataFormat
from tidings.errors import BadRequest


def check_format(options: ChannelOptions, data: bytes) -> None:
    """Raises `BadRequest` where the namespace asks for another kind of payload, or where there is none at all."""
    expected = options.publication_data_format
    if expected is DataFormat.BINARY:
        return
    if not data:
        raise BadRequest("data is missing")
    if expected is DataFormat.ANY:
        return
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequest("data is not JSON") from error
    if expected is DataFormat.JSON_OBJECT and not isinstance(value, dict):
        raise BadRequest("data is not a JSON object")
