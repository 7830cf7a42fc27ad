"""What an address is, and whose word on it is taken."""

from __future__ import annotations

from typing import Any

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tidings.gateway.admission import TrustedProxies, network

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_one_who_has_a_network_is_one(address: str, key: str) -> None:
    """Of IPv6 addresses anybody has 2⁶⁴. What is no address cannot fill memory either."""
    assert network(address) == key


def scope(peer: str, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"type": "http", "client": (peer, 4321), "headers": [(b"host", b"h"), *headers]}


def seen(trusted: list[str], peer: str, *forwarded: str) -> str:
    """Who the client is, by the word of whoever is trusted."""
    found: str = TrustedProxies(trusted).seen_through(scope(peer, *forwarded))["client"][0]
    return found


LOCAL = ["127.0.0.1"]
CHAIN = ["127.0.0.1", "10.0.0.0/8", "2001:db8:aa::/48"]


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        # Nobody is in between.
        (LOCAL, "198.51.100.7", [], "198.51.100.7"),
        (LOCAL, "127.0.0.1", [], "127.0.0.1"),
        # One proxy, and what the client said before is nothing.
        (LOCAL, "127.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        (LOCAL, "127.0.0.1", ["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
        (LOCAL, "127.0.0.1", ["6.6.6.6", "192.0.2.1"], "192.0.2.1"),
        (LOCAL, "127.0.0.1", ["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
        # A peer that is not trusted may say what it likes.
        (LOCAL, "198.51.100.7", ["6.6.6.6"], "198.51.100.7"),
        (LOCAL, "198.51.100.7", ["127.0.0.1"], "198.51.100.7"),
        # A chain of proxies, by their network, in both families.
        (CHAIN, "127.0.0.1", ["6.6.6.6, 192.0.2.1, 10.1.2.3"], "192.0.2.1"),
        (CHAIN, "127.0.0.1", ["192.0.2.1, 2001:db8:aa::9, 10.1.2.3"], "192.0.2.1"),
        (CHAIN, "127.0.0.1", ["192.0.2.1, 11.1.2.3"], "11.1.2.3"),
        (CHAIN, "2001:db8:aa:1::5", ["2001:db8:bb::1"], "2001:db8:bb::1"),
        # All of them are ours.
        (CHAIN, "127.0.0.1", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        # With a port.
        (LOCAL, "127.0.0.1", ["192.0.2.1:5060"], "192.0.2.1"),
        (LOCAL, "127.0.0.1", ["[2001:db8::1]:5060"], "2001:db8::1"),
        # A socket for both families writes IPv4 as IPv6.
        (LOCAL, "::ffff:127.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        (CHAIN, "::ffff:10.9.9.9", ["192.0.2.1"], "192.0.2.1"),
        (["::ffff:10.0.0.0/104"], "10.9.9.9", ["192.0.2.1"], "192.0.2.1"),
        # Everybody.
        (["*"], "198.51.100.7", ["192.0.2.1, 10.0.0.1"], "192.0.2.1"),
        # Nobody.
        ([], "127.0.0.1", ["192.0.2.1"], "127.0.0.1"),
        # Nothing.
        (LOCAL, "127.0.0.1", [""], "127.0.0.1"),
    ],
)
async def test_the_client_is_who_trusted_proxies_say(
    trusted: list[str], peer: str, forwarded: list[str], client: str
) -> None:
    """uvicorn, as `tidings serve` sets it up, finds the same, and looking twice changes nothing."""
    assert seen(trusted, peer, *forwarded) == client
    told: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        told.append(scope)

    middleware = ProxyHeadersMiddleware(application, TrustedProxies(trusted).entries)
    await middleware(scope(peer, *forwarded), None, None)  # type: ignore[arg-type]
    assert told[0]["client"][0] == client
    assert TrustedProxies(trusted).seen_through(told[0])["client"][0] == client


def test_who_has_no_address_has_none() -> None:
    """As behind a Unix socket."""
    nobody = {"type": "http", "client": None, "headers": [(b"x-forwarded-for", b"192.0.2.1")]}
    assert TrustedProxies(["127.0.0.1"]).seen_through(nobody) is nobody


@pytest.mark.parametrize("entry", ["nginx", "10.0.0.1/8", "", "10.0.0.0/33", "unix:"])
def test_what_is_no_address_is_refused(entry: str) -> None:
    """uvicorn would compare it as text, and trust nobody by it."""
    with pytest.raises(ValueError):
        TrustedProxies([entry])
