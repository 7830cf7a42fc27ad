"""The Centrifuge client protocol v2: every message as a value.

One declaration serves both encodings: the name is the JSON key, the number the Protobuf field. Exactly one payload
field of a `Command`, `Reply` or `Push` is set. Payloads (`data`, `conn_info`, …) are `msgspec.Raw`: embedded JSON on
the JSON wire, plain bytes on the Protobuf wire, and never looked into here. Times to live are whole seconds, as the
protocol has them.

Fields with a zero value are not written. The few that peers expect in any case have no default here.

Left out, because both sides may ignore them: map subscriptions, shared polling, numeric channel ids and dictionaries.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

NOTHING = Raw(b"")
"""The absent payload. Zero values are recognised by identity, so use this very object."""

Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Uint32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Uint64 = Annotated[int, Meta(ge=0)]  # msgspec cannot express the upper bound: requests check it by `require_uint64`


def number(field: int) -> Meta:
    """The number of a field on the Protobuf wire."""
    return Meta(extra={"number": field})


def require_uint64(value: int) -> None:
    """Raise `ValueError` for a number of more than 64 bits."""
    if value >= 2**64:
        raise ValueError("Expected `int` <= 18446744073709551615")


class Message(Struct, frozen=True, omit_defaults=True):
    """The root of all messages."""


# Values that appear inside others.


class Error(Message, frozen=True):
    code: Annotated[Uint32, number(1)] = 0
    message: Annotated[str, number(2)] = ""
    temporary: Annotated[bool, number(3)] = False


class StreamPosition(Message, frozen=True):
    offset: Annotated[Uint64, number(1)] = 0
    epoch: Annotated[str, number(2)] = ""

    def __post_init__(self) -> None:
        require_uint64(self.offset)


class ClientInfo(Message, frozen=True):
    user: Annotated[str, number(1)]
    client: Annotated[str, number(2)]
    conn_info: Annotated[Raw, number(3)] = NOTHING
    chan_info: Annotated[Raw, number(4)] = NOTHING


class Publication(Message, frozen=True):
    data: Annotated[Raw, number(4)] = NOTHING
    info: Annotated[ClientInfo | None, number(5)] = None
    offset: Annotated[Uint64, number(6)] = 0
    tags: Annotated[dict[str, str], number(7)] = {}
    delta: Annotated[bool, number(8)] = False
    time: Annotated[Int64, number(9)] = 0
    """Unix time in milliseconds."""


class FilterNode(Message, frozen=True):
    """A tags filter. Known here so that a request which carries one can be refused by its proper code."""

    op: Annotated[str, number(1)] = ""
    key: Annotated[str, number(2)] = ""
    cmp: Annotated[str, number(3)] = ""
    val: Annotated[str, number(4)] = ""
    vals: Annotated[list[str], number(5)] = []
    nodes: Annotated[list[FilterNode], number(6)] = []


# What a client asks for.


class SubscribeRequest(Message, frozen=True):
    channel: Annotated[str, number(1)] = ""
    token: Annotated[str, number(2)] = ""
    recover: Annotated[bool, number(3)] = False
    epoch: Annotated[str, number(6)] = ""
    offset: Annotated[Uint64, number(7)] = 0
    data: Annotated[Raw, number(8)] = NOTHING
    positioned: Annotated[bool, number(9)] = False
    recoverable: Annotated[bool, number(10)] = False
    join_leave: Annotated[bool, number(11)] = False
    delta: Annotated[str, number(12)] = ""
    tf: Annotated[FilterNode | None, number(13)] = None
    flag: Annotated[Int64, number(14)] = 0
    type: Annotated[Int32, number(15)] = 0

    def __post_init__(self) -> None:
        require_uint64(self.offset)


class ConnectRequest(Message, frozen=True):
    token: Annotated[str, number(1)] = ""
    data: Annotated[Raw, number(2)] = NOTHING
    subs: Annotated[dict[str, SubscribeRequest], number(3)] = {}
    name: Annotated[str, number(4)] = ""
    version: Annotated[str, number(5)] = ""
    headers: Annotated[dict[str, str], number(6)] = {}
    flag: Annotated[Int64, number(7)] = 0


class UnsubscribeRequest(Message, frozen=True):
    channel: Annotated[str, number(1)] = ""


class PublishRequest(Message, frozen=True):
    channel: Annotated[str, number(1)] = ""
    data: Annotated[Raw, number(2)] = NOTHING
    type: Annotated[Int32, number(3)] = 0


class PresenceRequest(Message, frozen=True):
    channel: Annotated[str, number(1)] = ""


class PresenceStatsRequest(Message, frozen=True):
    channel: Annotated[str, number(1)] = ""


class HistoryRequest(Message, frozen=True):
    channel: Annotated[str, number(1)] = ""
    limit: Annotated[Int32, number(7)] = 0
    since: Annotated[StreamPosition | None, number(8)] = None
    reverse: Annotated[bool, number(9)] = False


class PingRequest(Message, frozen=True):
    pass


class SendRequest(Message, frozen=True):
    data: Annotated[Raw, number(1)] = NOTHING


class RPCRequest(Message, frozen=True):
    data: Annotated[Raw, number(1)] = NOTHING
    method: Annotated[str, number(2)] = ""


class RefreshRequest(Message, frozen=True):
    token: Annotated[str, number(1)] = ""


class SubRefreshRequest(Message, frozen=True):
    channel: Annotated[str, number(1)] = ""
    token: Annotated[str, number(2)] = ""
    type: Annotated[Int32, number(3)] = 0


Request = (
    ConnectRequest
    | SubscribeRequest
    | UnsubscribeRequest
    | PublishRequest
    | PresenceRequest
    | PresenceStatsRequest
    | HistoryRequest
    | PingRequest
    | SendRequest
    | RPCRequest
    | RefreshRequest
    | SubRefreshRequest
)


class Command(Message, frozen=True):
    """What one client sends. Without an `id` and without `send` it is a pong, whatever else it holds."""

    id: Annotated[Uint32, number(1)] = 0
    connect: Annotated[ConnectRequest | None, number(4)] = None
    subscribe: Annotated[SubscribeRequest | None, number(5)] = None
    unsubscribe: Annotated[UnsubscribeRequest | None, number(6)] = None
    publish: Annotated[PublishRequest | None, number(7)] = None
    presence: Annotated[PresenceRequest | None, number(8)] = None
    presence_stats: Annotated[PresenceStatsRequest | None, number(9)] = None
    history: Annotated[HistoryRequest | None, number(10)] = None
    ping: Annotated[PingRequest | None, number(11)] = None
    send: Annotated[SendRequest | None, number(12)] = None
    rpc: Annotated[RPCRequest | None, number(13)] = None
    refresh: Annotated[RefreshRequest | None, number(14)] = None
    sub_refresh: Annotated[SubRefreshRequest | None, number(15)] = None

    def request(self) -> Request | None:
        """The payload: the first one that is there, in the order of the schema, or None."""
        return (
            self.connect
            or self.subscribe
            or self.unsubscribe
            or self.publish
            or self.presence
            or self.presence_stats
            or self.history
            or self.ping
            or self.send
            or self.rpc
            or self.refresh
            or self.sub_refresh
        )


# What the server answers.


class SubscribeResult(Message, frozen=True):
    expires: Annotated[bool, number(1)] = False
    ttl: Annotated[Uint32, number(2)] = 0
    recoverable: Annotated[bool, number(3)] = False
    epoch: Annotated[str, number(6)] = ""
    publications: Annotated[list[Publication], number(7)] = []
    recovered: Annotated[bool, number(8)] = False
    offset: Annotated[Uint64, number(9)] = 0
    positioned: Annotated[bool, number(10)] = False
    data: Annotated[Raw, number(11)] = NOTHING
    was_recovering: Annotated[bool, number(12)] = False
    delta: Annotated[bool, number(13)] = False


class ConnectResult(Message, frozen=True):
    client: Annotated[str, number(1)] = ""
    version: Annotated[str, number(2)] = ""
    expires: Annotated[bool, number(3)] = False
    ttl: Annotated[Uint32, number(4)] = 0
    data: Annotated[Raw, number(5)] = NOTHING
    subs: Annotated[dict[str, SubscribeResult], number(6)] = {}
    ping: Annotated[Uint32, number(7)] = 0
    """Seconds between the server's pings; 0 for none."""
    pong: Annotated[bool, number(8)] = False
    session: Annotated[str, number(9)] = ""
    node: Annotated[str, number(10)] = ""
    time: Annotated[Int64, number(11)] = 0
    """Unix time in milliseconds."""


class UnsubscribeResult(Message, frozen=True):
    pass


class PublishResult(Message, frozen=True):
    pass


class PresenceResult(Message, frozen=True):
    presence: Annotated[dict[str, ClientInfo], number(1)]


class PresenceStatsResult(Message, frozen=True):
    num_clients: Annotated[Uint32, number(1)]
    num_users: Annotated[Uint32, number(2)]


class HistoryResult(Message, frozen=True):
    publications: Annotated[list[Publication], number(1)]
    epoch: Annotated[str, number(2)]
    offset: Annotated[Uint64, number(3)]


class PingResult(Message, frozen=True):
    pass


class RPCResult(Message, frozen=True):
    data: Annotated[Raw, number(1)] = NOTHING


class RefreshResult(Message, frozen=True):
    client: Annotated[str, number(1)] = ""
    version: Annotated[str, number(2)] = ""
    expires: Annotated[bool, number(3)] = False
    ttl: Annotated[Uint32, number(4)] = 0


class SubRefreshResult(Message, frozen=True):
    expires: Annotated[bool, number(1)] = False
    ttl: Annotated[Uint32, number(2)] = 0


# What the server says unasked.


class Join(Message, frozen=True):
    info: Annotated[ClientInfo | None, number(1)] = None


class Leave(Message, frozen=True):
    info: Annotated[ClientInfo | None, number(1)] = None


class Unsubscribe(Message, frozen=True):
    """A subscription ended by the server. From code 2500 on the client subscribes again, below it stays away."""

    code: Annotated[Uint32, number(2)] = 0
    reason: Annotated[str, number(3)] = ""


class Note(Message, frozen=True):
    """The `message` push: data for this connection alone, outside all channels."""

    data: Annotated[Raw, number(1)] = NOTHING


class Subscribe(Message, frozen=True):
    """A subscription begun by the server."""

    recoverable: Annotated[bool, number(1)] = False
    epoch: Annotated[str, number(4)] = ""
    offset: Annotated[Uint64, number(5)] = 0
    positioned: Annotated[bool, number(6)] = False
    data: Annotated[Raw, number(7)] = NOTHING


class Connect(Message, frozen=True):
    """The connect result as a push, for transports on which the client cannot ask."""

    client: Annotated[str, number(1)] = ""
    version: Annotated[str, number(2)] = ""
    data: Annotated[Raw, number(3)] = NOTHING
    subs: Annotated[dict[str, SubscribeResult], number(4)] = {}
    expires: Annotated[bool, number(5)] = False
    ttl: Annotated[Uint32, number(6)] = 0
    ping: Annotated[Uint32, number(7)] = 0
    pong: Annotated[bool, number(8)] = False
    session: Annotated[str, number(9)] = ""
    node: Annotated[str, number(10)] = ""
    time: Annotated[Int64, number(11)] = 0


class Disconnect(Message, frozen=True):
    """Why a connection ends. On a WebSocket it travels as close code and reason, elsewhere as a push."""

    code: Annotated[Uint32, number(1)] = 0
    reason: Annotated[str, number(2)] = ""
    reconnect: Annotated[bool, number(3)] = False


class Refresh(Message, frozen=True):
    expires: Annotated[bool, number(1)] = False
    ttl: Annotated[Uint32, number(2)] = 0


class Push(Message, frozen=True):
    channel: Annotated[str, number(2)] = ""
    pub: Annotated[Publication | None, number(4)] = None
    join: Annotated[Join | None, number(5)] = None
    leave: Annotated[Leave | None, number(6)] = None
    unsubscribe: Annotated[Unsubscribe | None, number(7)] = None
    message: Annotated[Note | None, number(8)] = None
    subscribe: Annotated[Subscribe | None, number(9)] = None
    connect: Annotated[Connect | None, number(10)] = None
    disconnect: Annotated[Disconnect | None, number(11)] = None
    refresh: Annotated[Refresh | None, number(12)] = None


class Reply(Message, frozen=True):
    """What the server sends: an answer (with the command's `id`), a push, or, when empty, a ping."""

    id: Annotated[Uint32, number(1)] = 0
    error: Annotated[Error | None, number(2)] = None
    push: Annotated[Push | None, number(4)] = None
    connect: Annotated[ConnectResult | None, number(5)] = None
    subscribe: Annotated[SubscribeResult | None, number(6)] = None
    unsubscribe: Annotated[UnsubscribeResult | None, number(7)] = None
    publish: Annotated[PublishResult | None, number(8)] = None
    presence: Annotated[PresenceResult | None, number(9)] = None
    presence_stats: Annotated[PresenceStatsResult | None, number(10)] = None
    history: Annotated[HistoryResult | None, number(11)] = None
    ping: Annotated[PingResult | None, number(12)] = None
    rpc: Annotated[RPCResult | None, number(13)] = None
    refresh: Annotated[RefreshResult | None, number(14)] = None
    sub_refresh: Annotated[SubRefreshResult | None, number(15)] = None
