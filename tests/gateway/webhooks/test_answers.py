"""What endpoints answer: what is granted, what is refused, and what is no answer at all."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.brokers.base import NO_GUARD, Guard
from tidings.channels.options import Override
from tidings.errors import Disconnect, TidingsError
from tidings.gateway.grants import ConnectionGrant, PublicationGrant, Renewal, SubscriptionGrant
from tidings.gateway.webhooks import answers
from tidings.gateway.webhooks.terms import BadAnswer
from tidings.wire.centrifuge.json import JSON

pytestmark = pytest.mark.core

B64 = base64.b64encode(b"\x00\xff").decode()
READERS: dict[str, Callable[[bytes], Any]] = {
    "connect": answers.connect,
    "subscribe": answers.subscribe,
    "refresh": answers.refresh,
    "publish": answers.publish,
    "rpc": answers.rpc,
}


def result(**fields: Any) -> bytes:
    return json.dumps({"result": fields}, separators=(",", ":")).encode()


def why(body: bytes, read: Callable[[bytes], Any] = answers.connect) -> str:
    with pytest.raises(BadAnswer) as caught:
        read(body)
    return caught.value.why


# Results.


def test_connect() -> None:
    grant = answers.connect(
        result(
            user="42",
            expire_at=1_700_000_000,
            info={"n": 1},
            data=None,
            channels=["a", "b"],
            subs={"b": {"b64info": B64, "data": 1, "override": {"presence": {"value": False}}}, "c": None},
            meta={"m": 1},
            caps=["of tomorrow"],
        )
    )
    assert grant == ConnectionGrant(
        user="42",
        info=b'{"n":1}',
        data=b"null",
        expire_at=1_700_000_000.0,
        channels={
            "a": SubscriptionGrant(),
            "b": SubscriptionGrant(info=b"\x00\xff", data=b"1", override=Override(presence=False)),
            "c": SubscriptionGrant(),
        },
        meta=b'{"m":1}',
    )


def test_somebody_anonymous_is_let_in_only_by_name() -> None:
    assert answers.connect(result(user="")) == ConnectionGrant()
    assert why(result()) == "breaks the shape: Object missing required field user, at result"


def test_null_is_absent() -> None:
    nothing = dict.fromkeys(("info", "b64info", "b64data", "expire_at", "override"))
    assert answers.subscribe(result(**nothing)) == SubscriptionGrant()
    assert answers.connect(b'{"result":{"user":"a","meta":null},"error":null,"disconnect":null}').meta == b""


def test_base64_wins() -> None:
    assert answers.rpc(result(data=1, b64data=B64)) == b"\x00\xff"
    assert answers.rpc(result(data=1, b64data="")) == b"1"
    assert answers.rpc(result()) == b""


def test_refresh() -> None:
    assert answers.refresh(result(expired=True)) == Renewal(expired=True)
    assert answers.refresh(result(expire_at=5.5, info=[], meta={})) == Renewal(expire_at=5.5, info=b"[]", meta=b"{}")


def test_publish() -> None:
    assert answers.publish(result()) == PublicationGrant(b"", {}, NO_GUARD, False)
    grant = answers.publish(
        result(data=1, tags={"a": "b"}, idempotency_key="k", version=2**64 - 1, version_epoch="e", skip_history=True)
    )
    assert grant == PublicationGrant(b"1", {"a": "b"}, Guard("k", 2**64 - 1, "e"), True)
    assert "18446744073709551615" in why(result(version=2**64), answers.publish)


# Refusals.


def test_error() -> None:
    with pytest.raises(TidingsError) as caught:
        answers.rpc(b'{"error":{"code":1999,"message":"no","temporary":true}}')
    assert (caught.value.code, caught.value.message, caught.value.temporary) == (1999, "no", True)


def test_disconnect() -> None:
    with pytest.raises(Disconnect) as caught:
        answers.rpc(b'{"disconnect":{"code":4000,"reason":"bye"}}')
    assert (caught.value.code, caught.value.reason) == (4000, "bye")


@pytest.mark.parametrize("code", [0, 100, 399, 2000, -400, 1e3 + 0.5, "400", None])
def test_codes_of_errors(code: object) -> None:
    assert "error.code" in why(json.dumps({"error": {"code": code, "message": ""}}).encode())


@pytest.mark.parametrize("code", [0, 3000, 3999, 5000, "4000", None])
def test_codes_of_disconnects(code: object) -> None:
    assert "disconnect.code" in why(json.dumps({"disconnect": {"code": code, "reason": ""}}).encode())


@pytest.mark.parametrize("reason", ["x" * 33, "caf\u00e9", "a\nb", 1])
def test_reasons(reason: object) -> None:
    assert "disconnect.reason" in why(json.dumps({"disconnect": {"code": 4000, "reason": reason}}).encode())


# Answers that are none.


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "is not JSON"),
        (b"<html>", "is not JSON"),
        (b"\xff", "is not UTF-8"),
        (b'{"result":{"user":"a","info":"\xff"}}', "is not UTF-8"),
        (b'\xef\xbb\xbf{"result":{"user":"a"}}', "is not JSON"),
        (b"[]", "breaks the shape: Expected object, got array"),
        (b"{}", "has none of result, error and disconnect, and must have one"),
        (b'{"result":null}', "has none of result, error and disconnect, and must have one"),
        (
            b'{"result":{"user":"a"},"error":{"code":400}}',
            "has result and error of result, error and disconnect, and must have one",
        ),
        (b'{"result":{"user":1}}', "breaks the shape: Expected str, got int, at result.user"),
        (b'{"result":{"user":"a","b64info":"*"}}', "has a b64 field that is not Base64"),
        (b'{"result":{"user":"a","b64data":"\xc3\xa9"}}', "has a b64 field that is not Base64"),
        (b'{"result":' + b"[" * 100_000, "breaks the shape: nested too deeply"),
        (
            b'{"result":{"user":"a","channels":["a b\\n"]}}',
            "subscribes to a channel whose name is not 1 to 255 printable ASCII characters",
        ),
    ],
)
def test_no_answer(body: bytes, sentence: str) -> None:
    assert why(body) == sentence


def test_milliseconds_are_no_moment() -> None:
    assert "expire_at" in why(result(user="a", expire_at=1_764_124_800_000))
    assert "expire_at" in why(result(user="a", expire_at=-1))


def test_what_was_answered_is_not_repeated() -> None:
    """It may be a secret, and the sentence is logged."""
    for body in (result(user=["hunter2"]), b'{"result":"hunter2"}', result(user="a", b64data="hunter2!")):
        assert "hunter2" not in why(body)


# Whatever comes.

names = st.sampled_from(
    [
        "user", "expire_at", "info", "b64info", "data", "b64data", "channels", "subs", "meta", "override", "expired",
        "skip_history", "tags", "idempotency_key", "delta", "version", "version_epoch", "code", "message", "temporary",
        "reason", "presence", "value", "x",
    ]
)  # fmt: skip
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.just(B64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
lies = st.dictionaries(st.sampled_from(["result", "error", "disconnect", "x"]), values, max_size=3)


def outcome(read: Callable[[bytes], Any], body: bytes) -> Any:
    """What a reader makes of a body: a grant, or one of three exceptions and no other."""
    try:
        return read(body)
    except BadAnswer as bad:
        assert bad.why and "\n" not in bad.why
    except TidingsError as error:
        assert 400 <= error.code <= 1999
    except Disconnect as ended:
        assert 4000 <= ended.code <= 4999
    return None


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@given(lies)
def test_no_lie_does_harm(read: Callable[[bytes], Any], lie: Any) -> None:
    """Whatever JSON comes, something is granted or refused; what is granted can be told to a client."""
    grant = outcome(read, json.dumps(lie).encode())
    if isinstance(grant, ConnectionGrant | SubscriptionGrant) and "b64" not in json.dumps(lie):
        JSON.embed(grant.info)
        JSON.embed(grant.data)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@given(st.binary())
def test_no_bytes_do_harm(read: Callable[[bytes], Any], body: bytes) -> None:
    assert outcome(read, body) is None


@given(values, values)
def test_every_field_may_lie(user: Any, other: Any) -> None:
    fields = ("expire_at", "info", "data", "channels", "subs", "meta", "b64info", "b64data")
    for field in fields:
        outcome(answers.connect, json.dumps({"result": {"user": user, field: other}}).encode())
