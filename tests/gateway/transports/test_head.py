"""The request of an opening handshake, read at once where there is nothing odd about it, as `websockets` reads it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tidings.gateway.transports import head

pytestmark = pytest.mark.core

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
FIELDS = {
    "host": "tidings.test",
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-key": KEY,
    "sec-websocket-version": "13",
}


def request(fields: dict[str, str] | list[tuple[str, str]] = FIELDS, target: str = "/hub", first: str = "") -> bytes:
    pairs = list(fields.items()) if isinstance(fields, dict) else fields
    lines = [first or f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def test_the_answer_to_a_key() -> None:
    """The example of RFC 6455, section 1.3."""
    assert head.accept(KEY.encode()) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_plain_request() -> None:
    """Path, query, fields in lower case and in order, offers."""
    asked = head.read(request({**FIELDS, "Cookie": "a=1; b=2", "Sec-WebSocket-Protocol": "one, two"}, "/a%20b?c=%26"))
    assert asked is not None
    assert (asked.path, asked.query, asked.offers) == ("/a%20b", "c=%26", ["one", "two"])
    assert asked.fields == [
        *((name.encode(), value.encode()) for name, value in FIELDS.items()),
        (b"cookie", b"a=1; b=2"),
        (b"sec-websocket-protocol", b"one, two"),
    ]


def test_what_browsers_send() -> None:
    """Chromium's and Firefox's fields are plain."""
    for connection in ("Upgrade", "keep-alive, Upgrade"):
        fields = {
            **FIELDS,
            "connection": connection,
            "origin": "https://tidings.test",
            "sec-websocket-extensions": "permessage-deflate; client_max_window_bits",
            "accept-encoding": "gzip, deflate, br, zstd",
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
        }
        assert head.read(request(fields)) is not None


def test_an_empty_field_of_subprotocols() -> None:
    """Is as good as none."""
    asked = head.read(request({**FIELDS, "sec-websocket-protocol": ""}))
    assert asked is not None and asked.offers == []
    assert b"sec-websocket-protocol" not in dict(asked.fields)


@pytest.mark.parametrize(
    "odd",
    [
        request(first="POST /hub HTTP/1.1"),
        request(first="GET /hub HTTP/1.0"),
        request(first="GET  /hub HTTP/1.1"),
        request(first="GET http://tidings.test/hub HTTP/1.1"),
        request(target="/h\xfcb"),
        request(target="/" + "x" * head.HEAD_LIMIT_BYTES),
        request([*FIELDS.items(), *((f"x-{number}", "") for number in range(head.FIELD_LIMIT))]),
        request()[:-2],
        request() + b"\r\n",
        request() + b"more",
        b"",
        b"\r\n\r\n",
        request({**FIELDS, "cookie": "caf\xe9"}),
        request({**FIELDS, "cookie": "a\x00b"}),
        request({**FIELDS, "bad name": "1"}),
        request({**FIELDS, "": "1"}),
        request([*FIELDS.items(), (" folded", "1")]),
        *(request({**FIELDS, name: ""}) for name in FIELDS if name != "host"),
        *(request([*FIELDS.items(), (name, value)]) for name, value in FIELDS.items()),
        request([*FIELDS.items(), ("origin", "https://one.test"), ("Origin", "https://two.test")]),
        request({**FIELDS, "upgrade": "websocket, h2c"}),
        request({**FIELDS, "content-length": "0"}),
        request({**FIELDS, "Content-Length": "8"}),
        request({**FIELDS, "transfer-encoding": "chunked"}),
        request({**FIELDS, "connection": "upgrade;"}),
        request({**FIELDS, "connection": "keep-alive"}),
        request({**FIELDS, "sec-websocket-key": "c2hvcnQ="}),
        request({**FIELDS, "sec-websocket-key": KEY[:-1]}),
        request({**FIELDS, "sec-websocket-version": "8"}),
        request({**FIELDS, "sec-websocket-protocol": "one two"}),
        request({**FIELDS, "sec-websocket-protocol": ", one"}),
        request({**FIELDS, "sec-websocket-extensions": ";;="}),
        request({**FIELDS, "sec-websocket-extensions": 'x; y="z"'}),
    ],
    ids=lambda odd: repr(odd[-24:]),
)
def test_what_is_odd_is_left_to_others(odd: bytes) -> None:
    assert head.read(odd) is None


VALUES = st.one_of(
    st.sampled_from(["", "websocket", "Upgrade", "keep-alive, Upgrade", KEY, "13", "permessage-deflate", "chat, talk"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    st.text('ab-_=;:, \t"', max_size=12),
)
NAMES = st.sampled_from(
    [
        *FIELDS,
        *("Origin", "sec-websocket-protocol", "Sec-WebSocket-Extensions", "x-y", "Cookie"),
        *("content-length", "Transfer-Encoding", "Expect", "Trailer", "TE", "Content-Type", "Content-Encoding"),
    ]
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5), st.text("/ab%2?#;=", max_size=8))
@example([("sec-websocket-extensions", "permessage-deflate; server_max_window_bits=99")], "")
@example([("sec-websocket-extensions", "permessage-deflate, permessage-deflate; x=1")], "?")
@example([("content-length", "8")], "")
@example([("transfer-encoding", "chunked")], "")
def test_what_is_read_at_once_is_what_all_the_rules_say(more: list[tuple[str, str]], target: str) -> None:
    """The request is a handshake which they accept, with the same target, the same fields and the same answer."""
    data = request([*FIELDS.items(), *more], f"/{target}")
    asked = head.read(data)
    if asked is None:
        return
    rules = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()])
    rules.receive_data(data)
    (said,) = rules.events_received()
    assert isinstance(said, Request)
    blank = [value for value in said.headers.get_all("Sec-WebSocket-Protocol") if not value]
    if blank:
        del said.headers["Sec-WebSocket-Protocol"]
    answer = rules.accept(said)
    assert answer.status_code == 101
    assert answer.headers["Sec-WebSocket-Accept"].encode() == head.accept(dict(asked.fields)[b"sec-websocket-key"])
    assert said.path.partition("?")[::2] == (asked.path, asked.query)
    fields = [(name.lower().encode(), value.encode()) for name, value in said.headers.raw_items()]
    assert asked.fields == fields


def test_the_property_sees_requests_that_are_plain() -> None:
    """It is not about nothing: most of what it makes up without the special fields is read at once."""
    assert head.read(request([*FIELDS.items(), ("x-y", 'ab-_=;:, \t"'), ("Cookie", "a=1")], "/ab%2?#;=")) is not None
