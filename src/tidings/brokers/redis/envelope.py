"""What travels over Redis, as bytes.

A publication's body is made by the node that publishes, and no script looks into it; offset, epoch and time are written
in front of it by whoever gives them:

    p<offset>:<epoch>:<microseconds>:<body>     a publication
    j<body>  l<body>                            somebody joined, somebody left

Bodies are MessagePack arrays, which may grow at their end: a node ignores what it does not know. Nothing is ever
unpickled.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from tidings.brokers.who import Who
from tidings.model import ClientInfo, Publication

PUBLICATION, JOIN, LEAVE = b"p", b"j", b"l"
MICROSECONDS = 1_000_000


class Body(Struct, frozen=True, array_like=True):
    """What a publication brings along."""

    data: bytes
    who: Who | None = None
    tags: dict[str, str] = {}
    trace: str = ""


class _Untraced(Struct, frozen=True, array_like=True):
    """A body of which nobody records the trace; it costs no byte then."""

    data: bytes
    who: Who | None
    tags: dict[str, str]


_encoder = msgspec.msgpack.Encoder()
_bodies = msgspec.msgpack.Decoder(Body)
_clients = msgspec.msgpack.Decoder(Who)


def encode_body(publication: Publication) -> bytes:
    """What is the publisher's of a publication; offset and time are not."""
    who = None if publication.info is None else Who.of(publication.info)
    if publication.trace:
        return _encoder.encode(Body(publication.data, who, publication.tags, publication.trace))
    return _encoder.encode(_Untraced(publication.data, who, publication.tags))


def decode_body(body: bytes, offset: int, microseconds: bytes) -> Publication:
    """Raises `ValueError` for what is no body."""
    content = _bodies.decode(body)
    info = None if content.who is None else content.who.info()
    try:
        time = int(microseconds) / MICROSECONDS
    except OverflowError as error:
        raise ValueError("no clock shows such a time") from error
    return Publication(content.data, offset, info, content.tags, time, content.trace)


def stamped(body: bytes, time: float) -> bytes:
    """The message of a publication that is not kept."""
    return b"p0::%d:%b" % (time * MICROSECONDS, body)


def decode_publication(message: bytes) -> tuple[Publication, str]:
    """A publication and its epoch. Raises `ValueError`."""
    offset, epoch, microseconds, body = message[1:].split(b":", 3)
    return decode_body(body, int(offset), microseconds), epoch.decode()


def decode_entry(entry: Sequence[object]) -> Publication:
    """A publication as a stream retains it: the id, and the fields b, t, i in this order. Raises `ValueError`."""
    match entry:
        case [bytes(identifier), [_, bytes(body), _, bytes(microseconds), *_]]:
            return decode_body(body, int(identifier.partition(b"-")[0]), microseconds)
    raise ValueError(f"{entry!r} is no entry of a stream")


def encode_info(info: ClientInfo) -> bytes:
    return _encoder.encode(Who.of(info))


def decode_info(data: bytes) -> ClientInfo:
    """Raises `ValueError`."""
    return _clients.decode(data).info()


def labelled(label: str, content: bytes) -> bytes:
    """Content behind a name, where a script can read it: "<bytes of the name>:<name><content>"."""
    name = label.encode()
    return b"%d:%b%b" % (len(name), name, content)


def unlabelled(data: bytes) -> tuple[str, bytes]:
    """Raises `ValueError`."""
    length, _, rest = data.partition(b":")
    return rest[: int(length)].decode(), rest[int(length) :]
