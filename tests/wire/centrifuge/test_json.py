"""What is particular to JSON: lines, embedded payloads, and how lenient it is."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tidings.wire.centrifuge.codec import Inexpressible, Undecodable
from tidings.wire.centrifuge.json import DEPTH_LIMIT, JSON
from tidings.wire.centrifuge.messages import (
    Command,
    ConnectRequest,
    HistoryRequest,
    PublishRequest,
    RPCRequest,
    SendRequest,
    StreamPosition,
    SubscribeRequest,
)

pytestmark = pytest.mark.core


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


# Lines.


def test_lines() -> None:
    """Every line is a command; the last may end like the others or not."""
    assert JSON.decode(b'{"id":1}\n{"id":2}') == [Command(1), Command(2)]
    assert JSON.decode(b'{"id":1}\n{"id":2}\n') == [Command(1), Command(2)]


@pytest.mark.parametrize(
    "message", [b"\n", b"\n\n", b'\n{"id":1}', b'{"id":1}\n\n', b'{"id":1}\n\n{"id":2}', b'{"id":\n1}']
)
def test_empty_lines(message: bytes) -> None:
    """A line without a command, or with half of one, is no part of the protocol."""
    with pytest.raises(Undecodable):
        JSON.decode(message)


def test_join() -> None:
    """Replies are joined by one line feed, with none at the end."""
    assert JSON.join([b"{}", b'{"id":1}']) == b'{}\n{"id":1}'


# Leniency.


def test_spaces() -> None:
    """Spaces between tokens mean nothing; carriage returns are such spaces."""
    assert JSON.decode(b' { "id" : 1 } \r\n{"id":2}\r') == [Command(1), Command(2)]


def test_unknown_fields() -> None:
    """What is not known is skipped, at every level."""
    assert JSON.decode(b'{"id":1,"method":3,"rpc":{"x":[{}],"data":1}}') == [Command(1, rpc=RPCRequest(Raw(b"1")))]


@pytest.mark.parametrize(
    ("message", "command"),
    [
        (b'{"id":1,"connect":null,"ping":null}', Command(1)),
        (b'{"id":null}', Command()),
        (b'{"id":1,"connect":{"token":null,"subs":null}}', Command(1, connect=ConnectRequest())),
        (
            b'{"id":1,"connect":{"subs":{"a":{"epoch":null,"offset":3}}}}',
            Command(1, connect=ConnectRequest(subs={"a": SubscribeRequest(offset=3)})),
        ),
        (
            b'{"id":1,"history":{"limit":null,"since":{"offset":3,"epoch":null}}}',
            Command(1, history=HistoryRequest(since=StreamPosition(3))),
        ),
    ],
)
def test_null(message: bytes, command: Command) -> None:
    """A field that is null is absent."""
    assert JSON.decode(message) == [command]


@pytest.mark.parametrize("data", [b"null", b'{"id":null,"data":{"a":null}}'])
@pytest.mark.parametrize("channel", [b'"news"', b"null"])
def test_null_data(data: bytes, channel: bytes) -> None:
    """Null is a payload like any other, and what is null inside of a payload is the application's business."""
    (command,) = JSON.decode(b'{"publish":{"data":%s,"channel":%s}}' % (data, channel))
    assert command.publish == PublishRequest(channel="news" if channel != b"null" else "", data=Raw(data))


# What is not the protocol.


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"null", id="no object"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'{"id":1', id="cut short"),
        pytest.param(b'{"id":1}{"id":2}', id="two in a line"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param(b'{"id":-1}', id="negative id"),
        pytest.param(b'{"id":4294967296}', id="id of 33 bits"),
        pytest.param(b'{"id":1.5}', id="id with a fraction"),
        pytest.param(b'{"id":"1"}', id="id in quotes"),
        pytest.param(b'{"id":true}', id="id of another type"),
        pytest.param(b'{"id":%s}' % (b"9" * 5000), id="id of 5000 digits"),
        pytest.param(b'{"id":1,"subscribe":[]}', id="payload of another type"),
        pytest.param(b'{"id":1,"subscribe":{"channel":7}}', id="channel of another type"),
        pytest.param(b'{"id":1,"subscribe":{"offset":18446744073709551616}}', id="offset of 65 bits"),
        pytest.param(b'{"id":1,"subscribe":{"offset":-1}}', id="negative offset"),
        pytest.param(b'{"id":1,"history":{"since":{"offset":18446744073709551616}}}', id="position of 65 bits"),
        pytest.param(b'{"id":1,"history":{"limit":2147483648}}', id="limit of 33 bits"),
        pytest.param(b'{"id":1,"subscribe":{"flag":9223372036854775808}}', id="flag of 65 bits"),
        pytest.param(b'{"id":1,"subscribe":{"flag":-9223372036854775809}}', id="negative flag of 65 bits"),
        pytest.param(b'{"id":1,"subscribe":{"channel":"\\ud800"}}', id="lone surrogate"),
        pytest.param(b'{"id":1,"subscribe":{"channel":"\xff"}}', id="channel that is not UTF-8"),
        pytest.param(b'{"id":1,"publish":{"data":"\xff"}}', id="payload that is not UTF-8"),
        pytest.param(b'{"id":1,"publish":{"data":"\xed\xa0\x80"}}', id="surrogate in a payload"),
        pytest.param(b'{"id":1,"publish":{"data":"\\udc00"}}', id="lone surrogate in a payload"),
        pytest.param(b'{"id":1,"publish":{"data":"\t"}}', id="control character in a payload"),
        pytest.param(b'{"id":1,"publish":{"data":{a:1}}}', id="payload that is not JSON"),
        pytest.param(b'{"id":1,"publish":{"data":NaN}}', id="number that JSON does not have"),
        pytest.param(b'{"id":1,"unknown":"\xff"}', id="unknown field that is not UTF-8"),
        pytest.param(b'{"id":1,"publish":{"data":%s}}' % nested(100_000), id="deep payload"),
        pytest.param(b'{"id":1,"publish":{"data":%s' % (b"[" * 100_000), id="deep payload without end"),
        pytest.param(b'{"id":null,"x":%s}' % nested(100_000), id="deep unknown field, and a null"),
        pytest.param(b'{"id":1,"subscribe":{"tf":%s}}' % (b'{"nodes":[' * 50_000 + b"]}" * 50_000), id="deep filter"),
    ],
)
def test_undecodable(message: bytes) -> None:
    """What the schema or JSON does not allow is refused, wherever it stands, and the good line before it as well."""
    with pytest.raises(Undecodable):
        JSON.decode(message)
    with pytest.raises(Undecodable):
        JSON.decode(b'{"id":1}\n' + message)


# Payloads.


@pytest.mark.parametrize(
    ("payload", "embedded"),
    [
        (b'{"a":1}', b'{"a":1}'),
        (b"null", b"null"),
        (b'{\r\n  "a": 1\n}\n', b'{    "a": 1 } '),
        (b'"\\n\\r"', b'"\\n\\r"'),
        ('"é😀"'.encode(), '"é😀"'.encode()),
        (b'"\\ud83d\\ude00"', b'"\\ud83d\\ude00"'),
    ],
)
def test_embed(payload: bytes, embedded: bytes) -> None:
    """A payload goes out as it is stored, but on one line."""
    assert JSON.embed(payload) == Raw(embedded)


@pytest.mark.parametrize(
    "payload",
    [
        b"\x00\x01",
        b"\xff",
        b'"\xff"',
        b"{",
        b"1 2",
        b'1\n{"id":1}',
        b" ",
        b"NaN",
        b"'a'",
        b'"\n"',
        b'"\\ud800"',
        b"[" * 100_000,
    ],
)
def test_inexpressible(payload: bytes) -> None:
    """What is not one JSON value would break the reply that it stands in."""
    with pytest.raises(Inexpressible):
        JSON.embed(payload)


@given(st.binary(max_size=50) | st.text(alphabet='{}[]",:\\u0d8e1 \n\r', max_size=12).map(str.encode))
def test_embed_any_bytes(payload: bytes) -> None:
    """Any bytes are one value on one line, or inexpressible."""
    try:
        embedded = bytes(JSON.embed(payload))
    except Inexpressible:
        return
    assert b"\n" not in embedded
    assert embedded == b"" or json.loads(embedded) == json.loads(payload)


# Depth.


@pytest.mark.parametrize(
    "fill", [b"", b'"' + b"[" * 500 + b'\\""', b'"\\n' + b"[" * 500 + b'"'], ids=["", "quote", "escape"]
)
def test_depth_limit(fill: bytes) -> None:
    """Brackets count by how deep they nest, not by how many they are, and not at all inside of strings."""
    deepest = b"[" * DEPTH_LIMIT + fill + b"]" * DEPTH_LIMIT
    wide = b"[" + b",".join([nested(DEPTH_LIMIT - 1)] * 3) + b"]"
    assert JSON.embed(deepest) == Raw(deepest)
    assert JSON.embed(wide) == Raw(wide)
    with pytest.raises(Inexpressible):
        JSON.embed(b"[" + deepest + b"]")


def test_what_came_in_can_go_out() -> None:
    """The deepest payload that is accepted can be sent on, also from a much deeper stack."""
    payload = nested(DEPTH_LIMIT - 2)
    assert JSON.decode(b'{"send":{"data":%s}}' % payload) == [Command(send=SendRequest(Raw(payload)))]
    with pytest.raises(Undecodable):
        JSON.decode(b'{"send":{"data":[%s]}}' % payload)
    assert below(sys.getrecursionlimit() // 2, payload) == Raw(payload)


@pytest.mark.timeout(10)
def test_a_string_without_end() -> None:
    """Its end is looked for once: a message of 64 KiB costs milliseconds to refuse, and not half a minute."""
    with pytest.raises(Undecodable):
        JSON.decode(b"[" * (DEPTH_LIMIT + 1) + b'"' + b'\\"' * 32_000)


def below(frames: int, payload: bytes) -> Raw:
    return below(frames - 1, payload) if frames else JSON.embed(payload)
