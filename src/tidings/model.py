"""The values that every part of Tidings speaks of."""

from __future__ import annotations

from msgspec import Struct


class StreamPosition(Struct, frozen=True):
    """A place in a channel's stream.

    `offset` counts publications from 1; 0 is the place before the first. `epoch` names one life of the stream: when
    the stream is lost or recreated its epoch changes, and offsets of different epochs cannot be compared.
    The default value means "no stream": the channel keeps no history.
    """

    offset: int = 0
    epoch: str = ""


class ClientInfo(Struct, frozen=True):
    """Who somebody is, as shown to others: in presence, in join and leave, on a client's own publications.

    `conn_info` and `chan_info` are what the connection's and the subscription's authority attached, as encoded JSON
    (or plain bytes in a binary application).
    """

    user: str
    client: str
    conn_info: bytes = b""
    chan_info: bytes = b""


class Publication(Struct, frozen=True):
    """One message in a channel.

    `data` is the payload as it came, encoded. `offset` is 0 in channels without history. `info` names the client that
    published it, and is absent when a back end did. `time` is Unix time in seconds, set by the broker. `trace` is the
    place in a trace from which it was handed to the broker, as `traces.Trace.text` has it; "" where nobody records one.
    Clients never see it.
    """

    data: bytes
    offset: int = 0
    info: ClientInfo | None = None
    tags: dict[str, str] = {}
    time: float = 0.0
    trace: str = ""
