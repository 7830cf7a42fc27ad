"""What the payload of a publication must look like."""

from __future__ import annotations

from tidings.channels.options import ChannelOptions, DataFormat
from tidings.errors import BadRequest
from tidings.wire.centrifuge.codec import Inexpressible
from tidings.wire.centrifuge.json import JSON


def check_format(options: ChannelOptions, data: bytes) -> None:
    """Raises `BadRequest` where the namespace asks for another kind of payload, or where there is none at all."""
    expected = options.publication_data_format
    if expected is DataFormat.BINARY:
        return
    if not data:
        raise BadRequest("data is missing")
    if expected is DataFormat.ANY:
        return
    _require_json(data)
    if expected is DataFormat.JSON_OBJECT and not data.lstrip().startswith(b"{"):
        raise BadRequest("data is not a JSON object")


def check_client_format(options: ChannelOptions, data: bytes) -> None:
    """The same for what a client publishes, which besides has to be JSON unless the namespace is a binary one.

    A client of Protobuf could otherwise end every JSON client of the channel, for whom there is no way to say it.
    """
    check_format(options, data)
    if options.publication_data_format is DataFormat.ANY:
        _require_json(data)


def _require_json(data: bytes) -> None:
    try:
        JSON.embed(data)
    except Inexpressible as error:
        raise BadRequest("data is not JSON, or nests too deeply") from error
