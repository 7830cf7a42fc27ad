"""The key of the HTTP API, in all the places where it may come."""

from __future__ import annotations

import sys
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


# What the time of an answer says.


def _work(gate: Gate, key: bytes) -> list[str]:
    """Every function that is called to judge a key, those written in C included, in order."""
    called: list[str] = []

    def note(frame: object, event: str, argument: object) -> None:
        if event == "c_call":
            called.append(getattr(argument, "__qualname__", repr(argument)))
        elif event == "call":
            called.append(frame.f_code.co_qualname)  # type: ignore[attr-defined]

    scope = {"headers": [(b"x-api-key", key)], "query_string": b""}
    sys.setprofile(note)
    try:
        gate.admits(scope)
    finally:
        sys.setprofile(None)
    return called


def test_the_work_is_the_same_however_much_is_right():
    """No call is made or spared for a better guess, and the bytes are compared by the one function made for that."""
    key = "k" * 32
    gate = Gate(key, insecure=False)
    nothing_right = _work(gate, b"x" * 32)
    assert "compare_digest" in nothing_right
    assert all(_work(gate, b"k" * right + b"x" * (32 - right)) == nothing_right for right in range(32))
