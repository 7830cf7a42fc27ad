"""What endpoints answer: bytes in, a grant out, or why not.

    {"result": {…}}                                             the grant
    {"error": {"code": 400…1999, "message", "temporary"}}       raised as `TidingsError`, which the client sees
    {"disconnect": {"code": 4000…4999, "reason"}}               raised as `Disconnect`, which ends the connection

Exactly one of the three. Unknown fields are ignored, and null counts as absent except in `data`. Whatever else comes
raises `BadAnswer` with one sentence; it quotes no values, since they may be secret.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Generic, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from tidings.brokers.base import NO_GUARD, Guard
from tidings.channels import names
from tidings.channels.options import NO_OVERRIDE, Override
from tidings.gateway.grants import ConnectionGrant, PublicationGrant, Renewal, SubscriptionGrant
from tidings.gateway.webhooks.terms import BadAnswer, Ending, Refusal
from tidings.wire.centrifuge.json import require_shallow
from tidings.wire.centrifuge.messages import NOTHING, Uint64, require_uint64

Moment = Annotated[float, Meta(ge=0, le=2**32)]
"""Unix seconds, 0 for never. Milliseconds would be above the bound."""

_NULL = b"null"


class _Flag(Struct, frozen=True):
    value: bool = False


class _Override(Struct, frozen=True):
    presence: _Flag | None = None
    join_leave: _Flag | None = None
    force_recovery: _Flag | None = None
    force_positioning: _Flag | None = None
    force_push_join_leave: _Flag | None = None

    def plain(self) -> Override:
        flags = {name: getattr(self, name) for name in self.__struct_fields__}
        return Override(**{name: flag.value for name, flag in flags.items() if flag is not None})


class _SubscribeResult(Struct, frozen=True):
    """Of subscribe, and of every entry of `subs` in a connect."""

    info: Raw = NOTHING
    b64info: str | None = None
    data: Raw = NOTHING
    b64data: str | None = None
    expire_at: Moment | None = None
    override: _Override | None = None

    def grant(self) -> SubscriptionGrant:
        return SubscriptionGrant(
            info=_info(self.info, self.b64info),
            data=_data(self.data, self.b64data),
            expire_at=self.expire_at or 0.0,
            override=self.override.plain() if self.override else NO_OVERRIDE,
        )


class _ConnectResult(Struct, frozen=True, kw_only=True):
    user: str
    expire_at: Moment | None = None
    info: Raw = NOTHING
    b64info: str | None = None
    data: Raw = NOTHING
    b64data: str | None = None
    channels: list[str] | None = None
    subs: dict[str, _SubscribeResult | None] | None = None
    meta: Raw = NOTHING

    def grant(self) -> ConnectionGrant:
        subs = {
            channel: terms.grant() if terms else SubscriptionGrant() for channel, terms in (self.subs or {}).items()
        }
        channels = dict.fromkeys(self.channels or (), SubscriptionGrant()) | subs
        for channel in channels:
            if not names.is_well_formed(channel):
                raise BadAnswer("subscribes to a channel whose name is not 1 to 255 printable ASCII characters")
        return ConnectionGrant(
            user=self.user,
            info=_info(self.info, self.b64info),
            data=_data(self.data, self.b64data),
            expire_at=self.expire_at or 0.0,
            channels=channels,
            meta=_info(self.meta, None),
        )


class _RefreshResult(Struct, frozen=True):
    """Of refresh and sub_refresh."""

    expired: bool | None = None
    expire_at: Moment | None = None
    info: Raw = NOTHING
    b64info: str | None = None
    meta: Raw = NOTHING

    def grant(self) -> Renewal:
        return Renewal(
            expired=bool(self.expired),
            expire_at=self.expire_at or 0.0,
            info=_info(self.info, self.b64info) or None,
            meta=_info(self.meta, None) or None,
        )


class _PublishResult(Struct, frozen=True):
    """`delta` is known and has no effect: this version sends no differences."""

    data: Raw = NOTHING
    b64data: str | None = None
    skip_history: bool | None = None
    tags: dict[str, str] | None = None
    idempotency_key: str | None = None
    delta: bool | None = None
    version: Uint64 | None = None
    version_epoch: str | None = None

    def grant(self) -> PublicationGrant:
        """`data` is b"" where the publication stays as the client sent it."""
        require_uint64(self.version or 0)
        is_guarded = self.idempotency_key or self.version
        guard = Guard(self.idempotency_key or "", self.version or 0, self.version_epoch or "")
        return PublicationGrant(
            data=_data(self.data, self.b64data),
            tags=self.tags or {},
            guard=guard if is_guarded else NO_GUARD,
            skip_history=bool(self.skip_history),
        )


class _CallResult(Struct, frozen=True):
    data: Raw = NOTHING
    b64data: str | None = None

    def grant(self) -> bytes:
        return _data(self.data, self.b64data)


R = TypeVar("R")


class _Answer(Struct, Generic[R], frozen=True):
    result: R | None = None
    error: Refusal | None = None
    disconnect: Ending | None = None


_connect = msgspec.json.Decoder(_Answer[_ConnectResult])
_subscribe = msgspec.json.Decoder(_Answer[_SubscribeResult])
_refresh = msgspec.json.Decoder(_Answer[_RefreshResult])
_publish = msgspec.json.Decoder(_Answer[_PublishResult])
_rpc = msgspec.json.Decoder(_Answer[_CallResult])


# All of these raise `BadAnswer`, `TidingsError` and `Disconnect`, as the module says.


def connect(body: bytes) -> ConnectionGrant:
    grant: ConnectionGrant = _granted(_connect, body)
    return grant


def subscribe(body: bytes) -> SubscriptionGrant:
    grant: SubscriptionGrant = _granted(_subscribe, body)
    return grant


def refresh(body: bytes) -> Renewal:
    """For sub_refresh as well."""
    grant: Renewal = _granted(_refresh, body)
    return grant


def publish(body: bytes) -> PublicationGrant:
    grant: PublicationGrant = _granted(_publish, body)
    return grant


def rpc(body: bytes) -> bytes:
    grant: bytes = _granted(_rpc, body)
    return grant


def _granted(decoder: msgspec.json.Decoder[_Answer[Any]], body: bytes) -> Any:
    try:
        require_shallow(body.decode())
        answer = decoder.decode(body)
        if answer.result is None or answer.error is not None or answer.disconnect is not None:
            _refuse(answer)
        return answer.result.grant()
    except UnicodeDecodeError:
        raise BadAnswer("is not UTF-8") from None
    except msgspec.ValidationError as error:
        raise BadAnswer(_plain(error)) from None
    except msgspec.DecodeError:
        raise BadAnswer("is not JSON") from None
    except (ValueError, RecursionError) as error:
        raise BadAnswer(_plain(error)) from None


def _refuse(answer: _Answer[Any]) -> NoReturn:
    given = [name for name in answer.__struct_fields__ if getattr(answer, name) is not None]
    if len(given) != 1:
        raise BadAnswer(f"has {' and '.join(given) or 'none'} of result, error and disconnect, and must have one")
    refusal = answer.error or answer.disconnect
    assert refusal is not None
    raise refusal.exception()


def _info(raw: Raw, encoded: str | None) -> bytes:
    content = _data(raw, encoded)
    return b"" if content == _NULL else content


def _data(raw: Raw, encoded: str | None) -> bytes:
    return _decoded(encoded) if encoded else bytes(raw)


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise BadAnswer("has a b64 field that is not Base64") from None


def _plain(error: Exception) -> str:
    """The decoder's message, which names the field, in our typography."""
    text = str(error).replace(" - at `$.", ", at `").replace(" - at `$", ", at `").replace("`", "")
    return f"breaks the shape: {text}"
