"""What a client hears of channels, with payloads decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidings.testing.clients.centrifuge.encoding import value_of
from tidings.wire.centrifuge import messages


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a channel's stream."""

    offset: int
    epoch: str


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """Who somebody is."""

    user: str
    client: str
    conn_info: Any = None
    chan_info: Any = None


@dataclass(frozen=True, slots=True)
class Publication:
    """One message of a channel.

    `data` is the value where the payload is JSON, else its bytes. `offset` is 0 and `epoch` "" in a channel without
    history. `recovered` says that it came with the answer to a subscribe, because it had been missed. `at` is when it
    came, in seconds since the conversation began.
    """

    channel: str
    data: Any
    offset: int
    epoch: str
    info: ClientInfo | None
    tags: Mapping[str, str]
    time: float
    """When it was published, in Unix time."""
    recovered: bool
    at: float

    @property
    def position(self) -> Position:
        return Position(self.offset, self.epoch)


@dataclass(frozen=True, slots=True)
class History:
    """A part of what a channel keeps. `position` is the stream's top."""

    publications: tuple[Publication, ...]
    position: Position


def client_info(info: messages.ClientInfo) -> ClientInfo:
    return ClientInfo(info.user, info.client, value_of(info.conn_info), value_of(info.chan_info))


def publication(
    message: messages.Publication, channel: str, epoch: str, at: float, *, recovered: bool = False
) -> Publication:
    return Publication(
        channel=channel,
        data=value_of(message.data),
        offset=message.offset,
        epoch=epoch,
        info=None if message.info is None else client_info(message.info),
        tags=message.tags,
        time=message.time / 1000,
        recovered=recovered,
        at=at,
    )
