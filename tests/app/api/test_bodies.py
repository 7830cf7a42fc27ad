"""Bodies: what is read, and whose fault it is when they cannot be."""

from __future__ import annotations

import pytest

from tidings.app.api.bodies import LEGACY, METHODS, LegacyRequest, NotJson, decode, require_utf8
from tidings.app.api.requests import PresenceRequest
from tidings.errors import BadRequest

pytestmark = pytest.mark.core

DEEP = 100_000


def read(body: bytes) -> object:
    return decode(METHODS["presence"], body)


def test_a_request():
    """Fields that are not known are skipped, however they look."""
    assert read(b' { "future": [{}, "\\u00e9"], "channel": "news" } ') == PresenceRequest(channel="news")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "Object missing required field channel"),
        (b'{"channel":1}', "Expected str, got int, at channel"),
    ],
)
def test_an_object_of_another_shape(body, message):
    """The field that is wrong is named."""
    with pytest.raises(BadRequest) as caught:
        read(body)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON: Input data was truncated"),
        (b"channel=news", "not JSON: JSON is malformed: invalid character (byte 0)"),
        (b'{"channel":1, oops', "not JSON: JSON is malformed: object keys must be strings (byte 14)"),
        (b'{"channel":"a"}{}', "not JSON: JSON is malformed: trailing characters (byte 16)"),
        (b"[]", "not a JSON object: Expected object, got array"),
        (b"null", "not a JSON object: Expected object, got null"),
        (b'{"channel":' + b"[" * DEEP + b"]" * DEEP + b"}", "nested too deeply"),
        (b'{"future":' + b"[" * DEEP + b"]" * DEEP + b"}", "nested too deeply"),
    ],
)
def test_no_object(body, message):
    """What is no JSON object at all is something else than one of the wrong shape."""
    with pytest.raises(NotJson) as caught:
        read(body)
    assert str(caught.value) == message


def test_utf8():
    """All of a body is UTF-8, what is passed on unread as well."""
    require_utf8('{"data":"é"}'.encode())
    with pytest.raises(NotJson, match=r"^not UTF-8: invalid start byte at byte 9$"):
        require_utf8(b'{"data":"\xff"}')


@pytest.mark.parametrize(
    ("body", "inner"),
    [
        (b'{"method":"info"}', b"{}"),
        (b'{"method":"info","params":null}', b"{}"),
        (b'{"id":1,"method":"info","params":{"a": 1}}', b'{"a": 1}'),
    ],
)
def test_the_legacy_envelope(body, inner):
    """Parameters may be left out; they are what the method's own endpoint would have been sent."""
    request = decode(LEGACY, body)
    assert isinstance(request, LegacyRequest)
    assert (request.method, request.body()) == ("info", inner)
