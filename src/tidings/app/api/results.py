"""What the methods answer. Zero values are left out, except for the fields without a default.

A payload that is not JSON stands in the base64 twin of its field, as it does in requests.
"""

from __future__ import annotations

from msgspec import Raw, Struct

from tidings import model
from tidings.wire.centrifuge.json import twins
from tidings.wire.centrifuge.messages import NOTHING

NULL = Raw(b"null")


class Result(Struct, frozen=True, omit_defaults=True):
    """The root of all results."""


class Error(Struct, frozen=True, omit_defaults=True):
    """Why there is no result. The codes are those of `tidings.errors`."""

    code: int
    message: str
    temporary: bool = False


class Done(Result, frozen=True):
    """It is done, and there is nothing to tell."""


class PublishResult(Result, frozen=True):
    offset: int = 0
    epoch: str = ""


class Response(Result, frozen=True):
    """Either a result or an error: how one channel of a broadcast fared."""

    error: Error | None = None
    result: PublishResult | None = None


class BroadcastResult(Result, frozen=True):
    responses: list[Response]


class ClientInfo(Result, frozen=True):
    user: str
    client: str
    conn_info: Raw = NOTHING
    chan_info: Raw = NOTHING
    b64conn_info: str = ""
    b64chan_info: str = ""

    @classmethod
    def of(cls, info: model.ClientInfo) -> ClientInfo:
        conn_info, b64conn_info = twins(info.conn_info)
        chan_info, b64chan_info = twins(info.chan_info)
        return cls(info.user, info.client, conn_info, chan_info, b64conn_info, b64chan_info)


class PresenceResult(Result, frozen=True):
    presence: dict[str, ClientInfo]


class PresenceStatsResult(Result, frozen=True):
    num_clients: int
    num_users: int


class Publication(Result, frozen=True):
    data: Raw
    """null beside `b64data`: clients insist on the field."""
    offset: int = 0
    info: ClientInfo | None = None
    tags: dict[str, str] = {}
    b64data: str = ""

    @classmethod
    def of(cls, publication: model.Publication) -> Publication:
        data, b64data = twins(publication.data)
        return cls(
            data=NULL if data is NOTHING else data,
            offset=publication.offset,
            info=None if publication.info is None else ClientInfo.of(publication.info),
            tags=publication.tags,
            b64data=b64data,
        )


class HistoryResult(Result, frozen=True):
    publications: list[Publication]
    offset: int
    epoch: str


class ChannelInfo(Result, frozen=True):
    num_clients: int


class ChannelsResult(Result, frozen=True):
    channels: dict[str, ChannelInfo]


class NodeInfo(Result, frozen=True):
    """One node as it is now. `uptime` is in whole seconds."""

    uid: str
    name: str
    version: str
    num_clients: int
    num_users: int
    num_channels: int
    num_subs: int
    uptime: int = 0


class InfoResult(Result, frozen=True):
    nodes: list[NodeInfo]


class RPCResult(Result, frozen=True):
    data: Raw = NOTHING
