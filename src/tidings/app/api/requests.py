"""What the methods are asked: one declaration per method is its shape, its check and its decoder.

Unknown fields are ignored. Null counts as absent, since some client libraries write every field they know; only in
`data` and `params`, which are anything that JSON can say, it is a value like any other. Payloads stay as they came.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Raw, Struct

from tidings.brokers.base import NO_GUARD, Guard
from tidings.channels.options import NO_OVERRIDE, Override
from tidings.errors import BadRequest
from tidings.gateway.grants import SubscriptionGrant
from tidings.model import StreamPosition
from tidings.wire.centrifuge.codec import Inexpressible
from tidings.wire.centrifuge.json import DEPTH_LIMIT, JSON
from tidings.wire.centrifuge.messages import NOTHING, Disconnect, Int32, Uint64

Channel = Annotated[str, Meta(min_length=1)]

Moment = Annotated[float, Meta(ge=0, le=2**32)]
"""Unix seconds, 0 for never. Bounded, because clients are told of the remaining time in 32 bits."""

CloseCode = Annotated[int, Meta(ge=3000, le=4999)]
"""What the client protocol leaves to servers and applications; see `tidings.wire.centrifuge.codes`."""

Pattern = Annotated[str, Meta(max_length=1024)]
"""For names of at most 255 characters this is enough, and a pattern of megabytes would take minutes to match."""

REASON_LIMIT_BYTES = 123
"""What a close frame has room for beside the code (RFC 6455, section 5.5)."""


class Request(Struct, frozen=True, kw_only=True, gc=False):
    """The root of all requests. They hold no cycles, so the collector need not look at them."""


# Publishing.


class _Publishing(Request, frozen=True, kw_only=True, gc=False):
    """What to publish, and what makes a repetition harmless: see `Guard`."""

    data: Raw = NOTHING
    b64data: str | None = None
    skip_history: bool | None = None
    tags: dict[str, str] | None = None
    idempotency_key: str | None = None
    version: Uint64 | None = None
    version_epoch: str | None = None

    def payload(self) -> bytes:
        """Raises `BadRequest`."""
        return _payload("data", self.data, self.b64data)

    def guard(self) -> Guard:
        """Raises `BadRequest`."""
        if not (self.idempotency_key or self.version):
            return NO_GUARD
        return Guard(self.idempotency_key or "", _uint64("version", self.version), self.version_epoch or "")


class PublishRequest(_Publishing, frozen=True, kw_only=True, gc=False):
    channel: Channel


class BroadcastRequest(_Publishing, frozen=True, kw_only=True, gc=False):
    channels: Annotated[list[str], Meta(min_length=1)]


# A user's connections.


class _UserRequest(Request, frozen=True, kw_only=True, gc=False):
    """Concerns all connections of `user`, or the one that `client` names. The user is "" for somebody anonymous."""

    user: str
    client: str | None = None
    session: str | None = None
    """An emulated or unidirectional connection. This version has none, so a request that names one concerns nobody."""


class Position(Struct, frozen=True):
    offset: Uint64 | None = None
    epoch: str | None = None

    def plain(self, field: str) -> StreamPosition:
        """Raises `BadRequest`."""
        return StreamPosition(_uint64(f"{field}.offset", self.offset), self.epoch or "")


class Flag(Struct, frozen=True):
    """An option that is overridden: an object, so that "false" and "not said" differ."""

    value: bool = False


class SubscribeRequest(_UserRequest, frozen=True, kw_only=True, gc=False):
    channel: Channel
    info: Raw = NOTHING
    b64info: str | None = None
    data: Raw = NOTHING
    b64data: str | None = None
    expire_at: Moment | None = None
    recover_since: Position | None = None
    persist: bool | None = None
    """Subscribe the user again whenever they connect, until they are unsubscribed."""
    override: dict[str, Flag | None] | None = None

    def grant(self) -> SubscriptionGrant:
        """Raises `BadRequest`."""
        return SubscriptionGrant(
            info=_info(self.info, self.b64info),
            data=_payload("data", self.data, self.b64data),
            expire_at=self.expire_at or 0.0,
            override=_override(self.override) if self.override else NO_OVERRIDE,
        )

    def since(self) -> StreamPosition | None:
        """Raises `BadRequest`."""
        return self.recover_since.plain("recover_since") if self.recover_since else None


class UnsubscribeRequest(_UserRequest, frozen=True, kw_only=True, gc=False):
    channel: str
    """"" for all channels."""


class Closing(Struct, frozen=True):
    """Why a connection ends, in the application's own words."""

    code: CloseCode
    reason: str | None = None

    def plain(self) -> Disconnect:
        """Raises `BadRequest`."""
        reason = self.reason or ""
        if len(reason.encode()) > REASON_LIMIT_BYTES:
            raise BadRequest(f"disconnect.reason: longer than {REASON_LIMIT_BYTES} bytes")
        return Disconnect(self.code, reason)


class DisconnectRequest(_UserRequest, frozen=True, kw_only=True, gc=False):
    whitelist: list[str] | None = None
    """The ids of connections that stay."""
    disconnect: Closing | None = None


class RefreshRequest(_UserRequest, frozen=True, kw_only=True, gc=False):
    expired: bool | None = None
    expire_at: Moment | None = None
    info: Raw = NOTHING
    b64info: str | None = None

    def new_info(self) -> bytes | None:
        """What others shall see of the connections from now on; None leaves it. Raises `BadRequest`."""
        return _info(self.info, self.b64info) or None


# Channels.


class PresenceRequest(Request, frozen=True, kw_only=True, gc=False):
    channel: Channel


class PresenceStatsRequest(Request, frozen=True, kw_only=True, gc=False):
    channel: Channel


class HistoryRequest(Request, frozen=True, kw_only=True, gc=False):
    channel: Channel
    limit: Int32 | None = None
    """0 asks for the position alone, a negative number for everything."""
    since: Position | None = None
    reverse: bool | None = None


class HistoryRemoveRequest(Request, frozen=True, kw_only=True, gc=False):
    channel: Channel


class ChannelsRequest(Request, frozen=True, kw_only=True, gc=False):
    pattern: Pattern | None = None


# The server.


class InfoRequest(Request, frozen=True, kw_only=True, gc=False):
    pass


class RPCRequest(Request, frozen=True, kw_only=True, gc=False):
    method: Annotated[str, Meta(min_length=1)]
    params: Raw = NOTHING


REQUESTS: Mapping[str, type[Request]] = {
    "publish": PublishRequest,
    "broadcast": BroadcastRequest,
    "subscribe": SubscribeRequest,
    "unsubscribe": UnsubscribeRequest,
    "disconnect": DisconnectRequest,
    "presence": PresenceRequest,
    "presence_stats": PresenceStatsRequest,
    "history": HistoryRequest,
    "history_remove": HistoryRemoveRequest,
    "info": InfoRequest,
    "rpc": RPCRequest,
    "refresh": RefreshRequest,
    "channels": ChannelsRequest,
}
"""By method, in the order in which a batch looks for them."""


# What several of them have.


def _payload(field: str, raw: Raw, encoded: str | None) -> bytes:
    """A payload: what its base64 twin says where there is one, otherwise the JSON as it came."""
    if encoded:
        try:
            return b64decode(encoded, validate=True)
        except ValueError as error:
            raise BadRequest(f"b64{field}: not base64") from error
    payload = JSON.extract(raw)
    if len(payload) > DEPTH_LIMIT:
        _require_expressible(field, payload)
    return payload


def _require_expressible(field: str, payload: bytes) -> None:
    """A payload that nests too deeply for our own JSON would cost every client that gets it the connection."""
    try:
        JSON.embed(payload)
    except Inexpressible as error:
        raise BadRequest(f"{field}: {error}") from error


def _info(raw: Raw, encoded: str | None) -> bytes:
    payload = _payload("info", raw, encoded)
    return b"" if payload == b"null" else payload


def _override(flags: Mapping[str, Flag | None]) -> Override:
    known = {name: flags[name] for name in Override.__struct_fields__ if name in flags}
    return Override(**{name: flag.value for name, flag in known.items() if flag is not None})


def _uint64(field: str, value: int | None) -> int:
    # msgspec cannot express the upper bound.
    if value is not None and value >= 2**64:
        raise BadRequest(f"{field}: more than 64 bits")
    return value or 0
