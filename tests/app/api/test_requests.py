"""Requests: what becomes of their fields."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidings.app.api.bodies import METHODS, decode
from tidings.app.api.requests import REQUESTS, PublishRequest, RefreshRequest, SubscribeRequest
from tidings.brokers.base import NO_GUARD, Guard
from tidings.channels.options import Override
from tidings.errors import BadRequest
from tidings.gateway.grants import SubscriptionGrant
from tidings.model import StreamPosition
from tidings.wire.centrifuge.messages import Disconnect

pytestmark = pytest.mark.core


REQUIRED = {"channel": "news", "channels": ["news"], "user": "42", "method": "quote"}


def read(method: str, **fields: Any) -> Any:
    return decode(METHODS[method], json.dumps({**REQUIRED, **fields}).encode())


def publish(**fields: Any) -> PublishRequest:
    return read("publish", **fields)


def subscribe(**fields: Any) -> SubscribeRequest:
    return read("subscribe", **fields)


def refresh(**fields: Any) -> RefreshRequest:
    return read("refresh", **fields)


@pytest.mark.parametrize("method", REQUESTS)
def test_null_is_absent(method):
    """Every field that is not required may be null, and then the request is the one without it."""
    payloads = {"data", "info", "params"}
    nulls = dict.fromkeys({*REQUESTS[method].__struct_fields__} - {*REQUIRED} - payloads)
    assert read(method, **nulls) == read(method)


@pytest.mark.parametrize(
    ("fields", "payload"),
    [
        ({"data": {"a": 1}}, b'{"a": 1}'),
        ({"data": None}, b"null"),
        ({"data": 1, "b64data": ""}, b"1"),
        ({"data": 1, "b64data": None}, b"1"),
        ({"data": 1, "b64data": "AP8="}, b"\x00\xff"),
        ({}, b""),
    ],
)
def test_payload(fields, payload):
    """JSON as it came, or what the base64 twin says."""
    assert publish(**fields).payload() == payload


@pytest.mark.parametrize("encoded", ["*", "AP8", "AP8=\n", "AP8=AP8=", "é"])
def test_what_is_not_base64(encoded):
    """Only the standard alphabet, padded, in one line."""
    with pytest.raises(BadRequest, match="b64data: not base64"):
        publish(b64data=encoded).payload()


def test_a_payload_is_a_copy():
    """A stored payload does not keep the whole body alive."""
    assert type(publish(data=1).payload()) is bytes


@pytest.mark.parametrize(
    ("fields", "guard"),
    [
        ({}, NO_GUARD),
        ({"version_epoch": "e"}, NO_GUARD),
        ({"idempotency_key": "k"}, Guard("k")),
        ({"version": 2**64 - 1, "version_epoch": "e"}, Guard("", 2**64 - 1, "e")),
    ],
)
def test_guard(fields, guard):
    """The zero values guard nothing, and an epoch of versions means nothing without a version."""
    assert publish(**fields).guard() == guard


def test_a_grant():
    """Info, data, expiry and options of a subscription, payloads by either twin."""
    flags = {"presence": {"value": True}, "join_leave": {}, "force_recovery": None, "unknown": {"value": True}}
    assert subscribe(info=[1], b64data="Mg==", expire_at=1700000000, override=flags).grant() == SubscriptionGrant(
        info=b"[1]",
        data=b"2",
        expire_at=1_700_000_000.0,
        override=Override(presence=True, join_leave=False),
    )
    assert subscribe(info=None).grant() == SubscriptionGrant()


@pytest.mark.parametrize("name", Override.__struct_fields__)
def test_every_override(name):
    """Each option that can be overridden is, alone."""
    assert subscribe(override={name: {"value": True}}).grant().override == Override(**{name: True})


def test_since():
    """A position is asked for only where one is given; the zero position is one."""
    assert subscribe().since() is None
    assert subscribe(recover_since={}).since() == StreamPosition()
    assert subscribe(recover_since={"offset": 3, "epoch": "e"}).since() == StreamPosition(3, "e")


@pytest.mark.parametrize(
    ("fields", "info"),
    [({}, None), ({"info": None}, None), ({"info": {}}, b"{}"), ({"info": 1, "b64info": "AP8="}, b"\x00\xff")],
)
def test_new_info(fields, info):
    """Info that is not given, or null, does not replace what is there."""
    assert refresh(**fields).new_info() == info


@pytest.mark.parametrize("code", [3000, 4999])
def test_closing(code):
    """The reason may be left out, and be as long as a close frame can hold."""
    assert read("disconnect", disconnect={"code": code}).disconnect.plain() == Disconnect(code, "")
    reason = "é" * 61 + "a"
    assert read("disconnect", disconnect={"code": code, "reason": reason}).disconnect.plain().reason == reason
    with pytest.raises(BadRequest, match=r"disconnect\.reason: longer than 123 bytes"):
        read("disconnect", disconnect={"code": code, "reason": reason + "a"}).disconnect.plain()
