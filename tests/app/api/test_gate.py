"""The key of the HTTP API, in all the places where it may come."""

from __future__ import annotations

from typing import Any

import pytest

from tidings.app.api.gate import Gate

pytestmark = pytest.mark.core

KEY = "a&b=c+d é"
"""Everything that could be lost on the way."""


def request(*headers: tuple[bytes, bytes], query: bytes = b"") -> dict[str, Any]:
    return {"headers": headers, "query_string": query}


@pytest.mark.parametrize(
    "scope",
    [
        request((b"x-api-key", KEY.encode())),
        request((b"host", b"x"), (b"authorization", b"apikey " + KEY.encode())),
        request((b"authorization", b"ApiKey  " + KEY.encode() + b" ")),
        request(query=b"x=1&api_key=a%26b%3Dc%2Bd+%C3%A9"),
        request((b"x-api-key", b"old"), (b"authorization", b"Bearer t"), query=b"api_key=a%26b%3Dc%2Bd%20%c3%a9"),
    ],
)
def test_the_key_is_found(scope):
    """A header of its own, the Authorization header, or the query; any of them will do."""
    assert Gate(KEY, insecure=False).admits(scope)


@pytest.mark.parametrize(
    "scope",
    [
        request(),
        request((b"x-api-key", b"")),
        request((b"x-api-key", KEY.encode()[:-1])),
        request((b"x-api-key", KEY.encode() + b"x")),
        request((b"x-api-key", KEY.encode("latin-1"))),
        request((b"x-api-key", b"\xff\xfe")),
        request((b"authorization", KEY.encode())),
        request((b"authorization", b"Bearer " + KEY.encode())),
        request((b"authorization", b"apikey")),
        request((b"cookie", KEY.encode())),
        request(query=b"api_key"),
        request(query=b"api_key=%ff%fe"),
        request(query=b"api_key=\xff"),
        request(query=b"key=a%26b%3Dc%2Bd+%C3%A9"),
    ],
)
def test_anything_else_is_not_the_key(scope):
    """Nearly is not enough, and bytes that are no text are refused like all others."""
    assert not Gate(KEY, insecure=False).admits(scope)


@pytest.mark.parametrize(
    "scope",
    [request(), request((b"x-api-key", b"")), request((b"authorization", b"apikey ")), request(query=b"api_key=")],
)
def test_without_a_key_nobody_enters(scope):
    """A key that is not set is no key, not the empty one; only `insecure` lets everybody in."""
    assert not Gate("", insecure=False).admits(scope)
    assert Gate("", insecure=True).admits(scope)
    assert Gate(KEY, insecure=True).admits(scope)
