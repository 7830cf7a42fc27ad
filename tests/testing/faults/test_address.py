"""Where something listens, and the same URL elsewhere."""

from __future__ import annotations

import pytest

from tidings.testing.faults.address import Address, parse

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("text", "host", "port", "moved"),
    [
        ("127.0.0.1:6379", "127.0.0.1", 6379, "127.0.0.1:1"),
        ("localhost:80", "localhost", 80, "127.0.0.1:1"),
        ("[::1]:80", "::1", 80, "127.0.0.1:1"),
        ("redis://127.0.0.1:7000/2", "127.0.0.1", 7000, "redis://127.0.0.1:1/2"),
        ("redis://:pass@db", "db", 6379, "redis://:pass@127.0.0.1:1"),
        ("ws://a:8000/connection/websocket?x=y", "a", 8000, "ws://127.0.0.1:1/connection/websocket?x=y"),
        ("postgresql://u:p%40@h/db", "h", 5432, "postgresql://u:p%40@127.0.0.1:1/db"),
        ("https://h", "h", 443, "https://127.0.0.1:1"),
    ],
)
def test_addresses_and_urls(text: str, host: str, port: int, moved: str):
    address = parse(text)
    assert (address.host, address.port) == (host, port)
    assert address.moved("127.0.0.1", 1) == moved


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6379",
        "localhost",
        "127.0.0.1:",
        ":6379",
        "h:x",
        "h:99999",
        "h:0",
        "foo://h",
        "h:1/x",
        "u@h:1",
        "redis://a:1,b:2",
    ],
)
def test_anything_else_is_refused(text: str):
    with pytest.raises(ValueError, match=r"is no address: write host:port, such as 127\.0\.0\.1:6379, or a URL"):
        parse(text)


def test_a_listener_may_leave_things_open():
    """Without a host it is this machine; port 0 is for the system to choose."""
    assert parse(":0", needs_port=False) == Address("127.0.0.1", 0)
    assert parse("localhost:0", needs_port=False) == Address("localhost", 0)


def test_ipv6_is_written_with_brackets():
    assert str(Address("::1", 5)) == "[::1]:5"
