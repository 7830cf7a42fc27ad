"""What endpoints are asked and told: the bodies of the calls, as JSON.

Fields without a value are left out, as everywhere in this protocol. A payload that is JSON goes as `data`, any other
one as `b64data`; with binary encoding all go so.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from msgspec import Raw, Struct, json

from tidings.gateway.client import Particulars
from tidings.wire.centrifuge.json import twins
from tidings.wire.centrifuge.messages import NOTHING, ConnectRequest

_encode = json.Encoder().encode


class _Request(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which connection this is about."""

    client: str
    transport: str
    protocol: str
    encoding: str
    meta: Raw = NOTHING


class _Connect(_Request, frozen=True, omit_defaults=True, kw_only=True):
    name: str = ""
    version: str = ""
    channels: list[str] = []
    data: Raw = NOTHING
    b64data: str = ""


class _UserRequest(_Request, frozen=True, omit_defaults=True, kw_only=True):
    user: str


class _ChannelRequest(_UserRequest, frozen=True, omit_defaults=True, kw_only=True):
    channel: str


class _DataRequest(_ChannelRequest, frozen=True, omit_defaults=True, kw_only=True):
    data: Raw = NOTHING
    b64data: str = ""


class _Call(_UserRequest, frozen=True, omit_defaults=True, kw_only=True):
    method: str
    data: Raw = NOTHING
    b64data: str = ""


class _Disconnected(_UserRequest, frozen=True, omit_defaults=True, kw_only=True):
    id: str
    time_ms: int
    code: int
    reason: str


class _Unsubscribed(_ChannelRequest, frozen=True, omit_defaults=True, kw_only=True):
    id: str
    time_ms: int
    code: int


class StateEvent(Struct, frozen=True):
    """A channel that got its first subscriber (`occupied`) or lost its last (`vacated`)."""

    time_ms: int
    channel: str
    type: str


class _State(Struct, frozen=True):
    id: str
    events: list[StateEvent]


# Decisions.


def connect(about: Particulars, request: ConnectRequest, data: bytes, *, binary: bool) -> bytes:
    who = _who(about, binary)
    del who["user"]  # That is the question.
    channels = list(request.subs)
    said = _Connect(name=request.name, version=request.version, channels=channels, **who, **_payload(data, binary))
    return _encode(said)


def refresh(about: Particulars, *, binary: bool) -> bytes:
    return _encode(_UserRequest(**_who(about, binary)))


def with_channel(about: Particulars, channel: str, *, binary: bool) -> bytes:
    """For sub_refresh."""
    return _encode(_ChannelRequest(**_who(about, binary), channel=channel))


def with_data(about: Particulars, channel: str, data: bytes, *, binary: bool) -> bytes:
    """For subscribe and publish."""
    return _encode(_DataRequest(**_who(about, binary), channel=channel, **_payload(data, binary)))


def rpc(about: Particulars, method: str, data: bytes, *, binary: bool) -> bytes:
    return _encode(_Call(**_who(about, binary), method=method, **_payload(data, binary)))


# Notices. `number` is the same each time that one is sent.


def disconnected(about: Particulars, code: int, reason: str, *, number: str, now: float) -> bytes:
    who = _who(about, False)
    return _encode(_Disconnected(**who, id=number, time_ms=int(now * 1000), code=code, reason=reason))


def unsubscribed(about: Particulars, channel: str, code: int, *, number: str, now: float) -> bytes:
    who = _who(about, False)
    return _encode(_Unsubscribed(**who, id=number, time_ms=int(now * 1000), channel=channel, code=code))


def states(events: Iterable[StateEvent], *, number: str) -> bytes:
    return _encode(_State(number, list(events)))


def _who(about: Particulars, binary: bool) -> dict[str, Any]:
    return {
        "client": about.client,
        "transport": about.transport,
        "protocol": about.protocol,
        "encoding": "binary" if binary else "json",
        "user": about.user,
        "meta": twins(about.meta)[0],
    }


def _payload(data: bytes, binary: bool) -> dict[str, Any]:
    if not data:
        return {}
    embedded, encoded = (NOTHING, base64.b64encode(data).decode()) if binary else twins(data)
    return {"b64data": encoded} if encoded else {"data": embedded}
