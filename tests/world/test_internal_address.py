"""`[server] internal_host` and `internal_port`: back ends and operators have an address that clients do not see."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.testing.services.programs import need
from tests.world.backend import Backend, token
from tests.world.certificates import self_signed
from tests.world.command import PATIENCE, run, written
from tests.world.settings import KEY, SETTINGS, Settings

from tidings.testing import Client, RedisServer, TidingsNode
from tidings.testing.clients import Closing, UpgradeRefused
from tidings.testing.services import ports

pytestmark = [pytest.mark.world, pytest.mark.L3]

OPERATORS = ("/api/publish", "/api/openapi.json", "/api", "/metrics")
TRICKS = (
    "/%61pi/publish",
    "/api%2fpublish",
    "//api/publish",
    "/./api/publish",
    "/connection/../api/publish",
    "/connection/%2e%2e/api/publish",
    "/health/..%2fmetrics",
    "/metrics/",
    "/metrics%00",
    "/METRICS",
)
"""Ways in which a prefix that somebody looks for can be written otherwise."""


class Divided:
    """A node with two addresses."""

    def __init__(self, port: int, **settings: object) -> None:
        server = {**dict(settings.pop("server", {})), "internal_port": port}  # type: ignore[call-overload]
        self.internal = f"http://127.0.0.1:{port}"
        self.node = TidingsNode({**SETTINGS, **settings, "server": server})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = ports.reserve()
    yield port
    ports.release(port)


@pytest.fixture(scope="module")
def divided(port: int) -> Iterator[Divided]:
    divided = Divided(port)
    with divided.node:
        yield divided


@pytest.mark.parametrize("path", [*OPERATORS, *TRICKS])
def test_the_public_address_has_nothing_for_operators(divided: Divided, path: str) -> None:
    """404, with the key and however the path is written."""
    for method in ("GET", "POST"):
        request = httpx2.Request(method, divided.node.url, headers={"X-API-Key": KEY}, content=b"{}")
        # As it stands: the library would tidy it up.
        request.url = request.url.copy_with(raw_path=path.encode())
        with httpx2.Client() as http:
            assert http.send(request).status_code == 404


def test_the_internal_address_has_nothing_for_clients(divided: Divided) -> None:
    """It serves the API, with its key, and the metrics; both addresses say how the node is."""
    assert httpx2.post(f"{divided.internal}/api/info", content=b"{}").status_code == 401
    assert "tidings_connections" in httpx2.get(f"{divided.internal}/metrics").text
    for base in (divided.internal, divided.node.url):
        assert httpx2.get(f"{base}/health").status_code == httpx2.get(f"{base}/health/live").status_code == 200


async def test_clients_connect_to_the_public_address_alone(divided: Divided) -> None:
    """What is published on the one arrives on the other."""
    with pytest.raises(UpgradeRefused):
        await Client(f"{divided.internal.replace('http', 'ws')}/connection/websocket", token=token("ada")).connect()
    async with Client(divided.node.websocket, token=token("ada"), patience=PATIENCE) as ada:
        news = await ada.subscribe("plain:news")
        with Backend(divided.internal) as backend:
            await asyncio.to_thread(backend.publish, "plain:news", 1)
        assert (await news.receive()).data == 1


def test_both_are_printed_and_publish_finds_the_right_one(divided: Divided, tmp_path: Path) -> None:
    """`tidings publish` asks where the settings say that back ends ask."""
    assert divided.node.url in divided.node.process.line("listening")
    assert divided.internal in divided.node.process.line("Back ends")
    published = run("publish", "plain:news", "1", "--config", divided.node.config)
    assert (published.returncode, published.stdout) == (0, "{}\n")
    lost = run("publish", "plain:news", "1", "--config", divided.node.config, "--url", divided.node.url)
    assert (lost.returncode, "internal_port" in lost.stderr) == (1, True)


async def test_it_stops_in_order_and_behind_tls_stays_plain(port: int, tmp_path: Path) -> None:
    """Clients are told, both addresses are given up, and the process ends with 0."""
    certificate = self_signed(tmp_path)
    own = ports.reserve()
    try:
        divided = Divided(own, server={"tls_certificate": str(certificate), "tls_key": str(certificate)})
        async with divided.node as node:
            assert httpx2.get(f"{divided.internal}/health").status_code == 200
            trusting = ssl.create_default_context(cafile=certificate)
            async with Client(node.websocket, token=token("ada"), ssl=trusting, patience=PATIENCE) as ada:
                node.process.signal(signal.SIGTERM)
                assert await ada.expect_closed(timeout=PATIENCE) == Closing(3001, "shutdown")
            assert await asyncio.to_thread(node.process.wait, PATIENCE) == 0
            with pytest.raises(httpx2.ConnectError):
                httpx2.get(f"{divided.internal}/health")
    finally:
        ports.release(own)


async def test_workers_share_both() -> None:
    """The metrics are those of all of them, and each answers on both addresses."""
    need(RedisServer)
    own = ports.reserve()
    try:
        async with RedisServer() as redis:
            divided = Divided(own, broker={"url": redis.url}, server={"workers": 2, "drain_timeout": 2.0})
            async with divided.node as node:
                async with asyncio.timeout(PATIENCE):
                    while "tidings_workers 2.0" not in httpx2.get(f"{divided.internal}/metrics").text:
                        await asyncio.sleep(0.02)
                assert httpx2.get(f"{node.url}/metrics").status_code == 404
                async with Client(node.websocket, token=token("ada"), patience=PATIENCE) as ada:
                    news = await ada.subscribe("plain:news")
                    with Backend(divided.internal) as backend:
                        await asyncio.to_thread(backend.publish, "plain:news", 1)
                    assert (await news.receive()).data == 1
    finally:
        ports.release(own)


@pytest.mark.parametrize(
    ("server", "sentence"),
    [
        ({"port": 8123, "internal_port": 8123}, "[server] internal_port = 8123 is that of the clients"),
        (
            {"port": 0, "internal_host": "256.0.0.1"},
            '[server] internal_host = "256.0.0.1" is not an',
        ),
    ],
)
def test_what_cannot_be(server: Settings, sentence: str, tmp_path: Path) -> None:
    """Is said in one sentence before anything is served."""
    refused = run("serve", "--config", written({"server": server}, tmp_path))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert sentence in refused.stderr


def test_the_demo_has_one_address(tmp_path: Path) -> None:
    """It serves everything to this machine alone, so a second one would only puzzle."""
    refused = run("serve", "--demo", "--config", written({"server": {"internal_port": 8124}}, tmp_path))
    assert refused.returncode == 1
    assert "--demo serves everything on one address" in refused.stderr
