"""What a server's answer means, and what is asked of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tests.app.publisher.test_orders import order

from tidings.app.publisher import replies, requests
from tidings.app.publisher.carrier import BATCH
from tidings.app.publisher.orders import Outcome
from tidings.errors import (
    BadRequest,
    InternalError,
    LimitExceeded,
    TidingsError,
    TooManyRequests,
    Unauthorized,
    UnknownChannel,
)
from tidings.model import StreamPosition

pytestmark = pytest.mark.core

BASE = "http://host:8000"


def read(answer: object, count: int = 1) -> Sequence[Outcome]:
    return replies.outcomes(BASE, 200, {}, json.dumps(answer).encode(), count)


def refusal(status: int, body: bytes = b"", **headers: str) -> replies.Refused:
    with pytest.raises(replies.Refused) as caught:
        replies.outcomes(BASE, status, headers, body, 1)
    return caught.value


def test_positions() -> None:
    """Zero where nothing is kept; one for each channel of a broadcast."""
    broadcast = {"broadcast": {"responses": [{"result": {"offset": 3, "epoch": "f"}}, {"result": {}}]}}
    found = read({"replies": [{"publish": {"offset": 7, "epoch": "e"}}, {"publish": {}}, broadcast]}, 3)
    zero = StreamPosition()
    assert found == [[StreamPosition(7, "e")], [zero], [StreamPosition(3, "f"), zero]]


@pytest.mark.parametrize(
    ("code", "kind", "temporary"),
    [
        (100, InternalError, True),
        (102, UnknownChannel, False),
        (106, LimitExceeded, False),
        (107, BadRequest, False),
        (111, TooManyRequests, True),
        (1234, TidingsError, False),
    ],
)
def test_errors_have_their_classes(code: int, kind: type[TidingsError], temporary: bool) -> None:
    """Whether they are temporary is the server's to say, and the class's where it says nothing."""
    (error,) = read({"replies": [{"error": {"code": code, "message": "why"}}]})
    assert type(error) is kind
    assert (error.code, error.message, error.temporary) == (code, "why", temporary)
    (error,) = read({"replies": [{"error": {"code": code, "message": "why", "temporary": True}}]})
    assert isinstance(error, TidingsError) and error.temporary


def test_the_first_failure_of_a_broadcast() -> None:
    responses = [{"result": {}}, {"error": {"code": 102, "message": "unknown channel"}}]
    (error,) = read({"replies": [{"broadcast": {"responses": responses}}]})
    assert isinstance(error, UnknownChannel)


def test_the_key_is_wrong() -> None:
    """The sentence says which setting; it is known that nothing was done."""
    refused = refusal(401, b"This needs the API key, as X-API-Key.")
    assert isinstance(refused.error, Unauthorized) and not refused.is_unknown
    assert refused.error.message == f"{BASE} does not accept this key; key= has to be what its [api] key says"


@pytest.mark.parametrize(
    ("status", "kind", "temporary", "is_unknown"),
    [
        (400, BadRequest, False, False),
        (404, TidingsError, False, False),
        (302, TidingsError, False, True),
        (500, InternalError, True, True),
        (502, InternalError, True, True),
        (503, InternalError, True, True),
        (504, InternalError, True, True),
    ],
)
def test_statuses(status: int, kind: type[TidingsError], temporary: bool, is_unknown: bool) -> None:
    """Of whoever stands in front of the server. A 5xx says nothing about what was done."""
    refused = refusal(status, b"<html>", location="https://host")
    assert (type(refused.error), refused.error.temporary, refused.is_unknown) == (kind, temporary, is_unknown)


def test_errors_as_statuses() -> None:
    """The API's other way of telling them."""
    refused = refusal(500, b'{"code":100,"message":"outcome unknown: x","temporary":true}')
    assert (refused.error.message, refused.error.temporary) == ("outcome unknown: x", True)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"replies":[]}', b'{"replies":[{"publish":{"offset":"x"}}]}']
)
def test_somebody_else_answers(body: bytes) -> None:
    with pytest.raises(replies.Refused) as caught:
        replies.outcomes(BASE, 200, {}, body, 1)
    assert caught.value.error.message == f"{BASE} does not answer as a Tidings server would"
    assert not caught.value.error.temporary


@pytest.mark.parametrize(("text", "pause"), [("3", 3.0), ("0", 0.0), ("", 1.0), ("soon", 1.0), ("9e999", 300.0)])
def test_later(text: str, pause: float) -> None:
    with pytest.raises(replies.Later) as caught:
        replies.outcomes(BASE, 429, {"retry-after": text}, b"", 1)
    assert caught.value.pause == pause


def test_later_by_date() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    with pytest.raises(replies.Later) as caught:
        replies.outcomes(BASE, 429, {"retry-after": moment}, b"", 1)
    assert 28.0 < caught.value.pause <= 30.0


def test_a_body_that_is_too_long() -> None:
    with pytest.raises(replies.TooLarge):
        replies.outcomes(BASE, 413, {}, b"", 1)


def test_a_batch() -> None:
    """Payloads go as they are, and in base64 where they are not JSON; what is not said is left out."""
    plain, binary, several = order(b'{"x": 1}'), order(b"\xff"), order(b"2", channels=("a", "b"))
    assert json.loads(requests.batch([plain, binary, several])) == {
        "commands": [
            {"publish": {"channel": "a", "data": {"x": 1}}},
            {"publish": {"channel": "a", "b64data": "/w=="}},
            {"broadcast": {"channels": ["a", "b"], "data": 2}},
        ]
    }


def test_only_different_threads_are_side_by_side() -> None:
    one, other, again = order(), order(), order()
    other.thread = one.thread + 1
    assert json.loads(requests.batch([one, other]))["parallel"] is True
    assert "parallel" not in json.loads(requests.batch([one, other, again]))
    assert "parallel" not in json.loads(requests.batch([one]))


def test_an_answer_may_be_as_long_as_an_honest_one() -> None:
    """A full batch of which each fails at length, and a broadcast to many with the largest positions."""
    failed = {"error": {"code": 100, "message": "x" * 900, "temporary": True}}
    full = json.dumps({"replies": [failed] * BATCH}).encode()
    assert len(full) < replies.limit_bytes([order()] * BATCH) < 1_000_000
    position = {"result": {"offset": 2**64 - 1, "epoch": "x" * 64}}
    many = json.dumps({"replies": [{"broadcast": {"responses": [position] * 1000}}]}).encode()
    assert len(many) < replies.limit_bytes([order(channels=("a",) * 1000)])
