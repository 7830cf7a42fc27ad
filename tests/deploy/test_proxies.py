"""deploy/proxies: each file, run by its own program in front of two nodes, does what docs/deploy.md says."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.deploy.proxies import FILES, TIMEOUT, Caddy, Haproxy, Nginx, Proxy
from tests.world.backend import Backend, token
from tests.world.certificates import self_signed
from tests.world.command import PATIENCE
from tests.world.settings import SETTINGS
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tidings.app.settings import Settings
from tidings.testing import Client, TidingsCluster, TidingsNode
from tidings.testing.clients import ConversationError

pytestmark = [pytest.mark.world, pytest.mark.L3]

CLIENT = {"ping_interval": 1.5, "pong_timeout": 1.4, "compression": True}

FEW = 10
"""Clients of which each node has some."""

ELSEWHERE = "127.0.0.2"
"""Another address of this machine: a client's that is not one of the proxy's."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[TidingsCluster]:
    with TidingsCluster(2, {**SETTINGS, "client": CLIENT}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


@pytest.fixture(scope="module", params=[Nginx, Haproxy, Caddy], ids=lambda kind: kind.name)
def proxy(request: pytest.FixtureRequest, cluster: TidingsCluster, certificate: Path) -> Iterator[Proxy]:
    with request.param(cluster.nodes, certificate) as proxy:
        yield proxy


Visit = Callable[..., Client]


@pytest.fixture
def visit(proxy: Proxy, trusting: ssl.SSLContext, cluster: TidingsCluster) -> Visit:
    """A client that has a token and is to be entered; all nodes serve when it comes."""
    cluster.settle()
    context = trusting if proxy.secure else None
    return lambda user, **how: Client(proxy.websocket, token=token(user), ssl=context, patience=PATIENCE, **how)


@pytest.fixture
def dial(proxy: Proxy, trusting: ssl.SSLContext) -> Callable[..., Any]:
    """Opens a WebSocket whose handshake a test looks at; from another address of this machine."""
    context = {"ssl": trusting} if proxy.secure else {}
    return lambda **how: connect(proxy.websocket, local_addr=(ELSEWHERE, 0), proxy=None, **context, **how)


# What passes.


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
async def test_clients_hear_each_other(visit: Visit, cluster: TidingsCluster, encoding: str, unique: str) -> None:
    """Spread over both nodes, they are one system; the back end goes to a node itself."""
    async with AsyncExitStack() as stack:
        ada = await stack.enter_async_context(visit("ada", encoding=encoding))
        heard = [await ada.subscribe(f"chat:{unique}")]
        # A proxy that still counts a connection which has just ended may send the second one after the first.
        while len(heard) < 2 or 0 in await counts(cluster):
            assert len(heard) < FEW
            another = await stack.enter_async_context(visit(f"bob-{len(heard)}", encoding=encoding))
            heard.append(await another.subscribe(f"chat:{unique}"))
        await ada.publish(f"chat:{unique}", "hello")
        assert {(await one.receive()).data for one in heard} == {"hello"}
        with Backend(cluster.nodes[0].url) as backend:
            backend.publish(f"chat:{unique}", "news")
        assert {(await one.receive()).data for one in heard} == {"news"}


async def counts(cluster: TidingsCluster) -> list[int]:
    """How many clients each node has."""
    async with httpx2.AsyncClient(timeout=PATIENCE) as http:
        pages = [(await http.get(f"{node.url}/metrics")).text for node in cluster.nodes]
    return [int(sum(map(float, re.findall(r"^tidings_connections{.*} (\S+)$", page, re.M)))) for page in pages]


@pytest.mark.parametrize("proxy", [Nginx, Haproxy], indirect=True, ids=lambda kind: kind.name)
async def test_an_idle_connection_stays(visit: Visit, unique: str) -> None:
    """Longer than the proxy lets a quiet one live, because pings go both ways."""
    async with visit(unique) as ada:
        async with asyncio.timeout(PATIENCE):
            while ada.pings < 3:
                await asyncio.sleep(0.05)
        assert ada.is_open


@pytest.mark.parametrize("file", ["nginx.conf", "haproxy.cfg"])
def test_a_quiet_connection_may_be_quieter_than_ours_ever_is(file: str) -> None:
    """The time-outs of the files leave room for the default ping and its answer, twice."""
    client = Settings().client
    assert 2 * (client.ping_interval + client.pong_timeout) < TIMEOUT
    assert f"{TIMEOUT}s" in (FILES / file).read_text()


async def test_compression_passes(dial: Callable[..., Any]) -> None:
    async with dial(compression="deflate") as connection:
        assert "permessage-deflate" in connection.response.headers["Sec-WebSocket-Extensions"]


async def test_a_client_s_own_code_and_ours_pass(visit: Visit, cluster: TidingsCluster, unique: str) -> None:
    async with visit(unique) as ada:
        with Backend(cluster.nodes[0].url) as backend:
            backend.disconnect(unique, 4501, "bye")
        closing = await ada.expect_closed()
        assert (closing.code, closing.reason) == (4501, "bye")


async def test_a_large_publication_passes(visit: Visit, unique: str) -> None:
    async with visit(unique) as ada:
        chat = await ada.subscribe(f"chat:{unique}")
        await ada.publish(f"chat:{unique}", "x" * 60_000)
        assert (await chat.receive()).data == "x" * 60_000


async def test_a_page_of_the_same_host_may_connect(proxy: Proxy, dial: Callable[..., Any]) -> None:
    """The nodes see the host that the browser asked for, port included."""
    async with dial(origin=proxy.url):
        pass


# Who it is.


@pytest.mark.parametrize("claimed", [None, "203.0.113.7", "203.0.113.7, 127.0.0.1"])
async def test_the_client_s_address_arrives(
    proxy: Proxy, cluster: TidingsCluster, dial: Callable[..., Any], claimed: str | None, unique: str
) -> None:
    """And what a client claims about itself does not."""
    origin = f"https://{unique}.example"
    forged = {} if claimed is None else {"X-Forwarded-For": claimed}
    lines: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while not lines:  # A node writes one such line a second.
            with pytest.raises(InvalidStatus, match="403"):
                await dial(origin=origin, additional_headers=forged)
            written = [line for node in cluster.nodes for line in node.process.lines]
            lines = [line for line in written if f'"origin": "{origin}"' in line]
            await asyncio.sleep(0.05)
    assert {json.loads(line)["address"] for line in lines} == {ELSEWHERE}


# What does not pass.


@pytest.mark.parametrize(
    "path",
    [
        "/api/publish",
        "/metrics",
        "/health",
        "/",
        "/connection/../api/publish",
        "/connection/%2e%2e/api/publish",
        "/connection%2f..%2fapi/publish",
        "//api/publish",
    ],
)
async def test_nothing_else_is_public(proxy: Proxy, trusting: ssl.SSLContext, path: str) -> None:
    """Neither the API, with its key, nor what the nodes say about themselves; written straight or not."""
    status = await asked(proxy, trusting, f"POST {path} HTTP/1.1\r\nX-API-Key: a key for back ends")
    assert status in (400, 403, 404)


async def asked(proxy: Proxy, trusting: ssl.SSLContext, head: str) -> int:
    """The status of the answer to a request that no library has put in order."""
    context = trusting if proxy.secure else None
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=context)
    try:
        body = b'{"channel": "plain:x", "data": 1}'
        end = f"\r\nHost: 127.0.0.1:{proxy.port}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + end.encode() + body)
        return int((await asyncio.wait_for(reader.readline(), PATIENCE)).split()[1])
    finally:
        writer.close()
        await writer.wait_closed()


async def test_http2_at_the_edge(proxy: Proxy, certificate: Path) -> None:
    """nginx speaks it to those who ask for it; a WebSocket asks for HTTP/1.1. Caddy does so with TLS, which it is
    here without.
    """
    context = ssl.create_default_context(cafile=certificate)  # The client says in it that it speaks HTTP/2.
    async with httpx2.AsyncClient(http2=True, verify=context) as http:
        answer = await http.get(f"{proxy.url}/")
    assert (answer.status_code, answer.http_version) == (404, "HTTP/2" if isinstance(proxy, Nginx) else "HTTP/1.1")


# When something goes away.


async def test_a_node_that_stops_sends_its_clients_to_the_other(
    visit: Visit, cluster: TidingsCluster, unique: str
) -> None:
    """They hear 3001, are with the other node at their first attempt, and the node is used again when it is back."""
    async with visit(unique) as ada:
        here = (await counts(cluster)).index(1)
        stopping = asyncio.create_task(asyncio.to_thread(cluster.nodes[here].program.stop))
        assert (await ada.expect_closed()).code == 3001
        await ada.reconnect()
        await stopping
        assert await lives(cluster.nodes[1 - here]) == 1
        await asyncio.to_thread(cluster.nodes[here].restart)
        await is_used(visit, cluster.nodes[here])


async def test_a_node_that_is_killed(visit: Visit, cluster: TidingsCluster, unique: str) -> None:
    async with visit(unique) as ada:
        here = (await counts(cluster)).index(1)
        cluster.nodes[here].kill()
        await ada.expect_closed()
        await ada.reconnect()
        assert await lives(cluster.nodes[1 - here]) == 1
        await asyncio.to_thread(cluster.nodes[here].restart)
        await is_used(visit, cluster.nodes[here])


async def lives(node: TidingsNode) -> int:
    """How many clients a node has."""
    async with httpx2.AsyncClient(timeout=PATIENCE) as http:
        text = (await http.get(f"{node.url}/metrics")).text
    return int(sum(map(float, re.findall(r"^tidings_connections{.*} (\S+)$", text, re.M))))


async def is_used(visit: Visit, node: TidingsNode) -> None:
    """Wait until a client that comes is sent to this node."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with visit("bob"):
                if await lives(node):
                    return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("proxy", [Nginx, Haproxy], indirect=True, ids=lambda kind: kind.name)
async def test_a_reload_drops_nobody(
    proxy: Proxy, visit: Visit, cluster: TidingsCluster, unique: str, reload: Callable[[], Awaitable[None]]
) -> None:
    """Who is there stays with the old process, who comes is served by the new one."""
    async with visit("ada") as ada:
        chat = await ada.subscribe(f"chat:{unique}")
        await reload()
        async with visit("bob") as bob:
            await bob.subscribe(f"chat:{unique}")
            await bob.publish(f"chat:{unique}", "still there?")
            assert (await chat.receive()).data == "still there?"
            await ada.publish(f"chat:{unique}", "yes")
            assert (await chat.receive()).data == "yes"


@pytest.mark.parametrize("proxy", [Caddy], indirect=True, ids=lambda kind: kind.name)
async def test_a_reload_sends_everybody_away_who_comes_back(proxy: Caddy, visit: Visit, unique: str) -> None:
    """As long as the file has no `stream_close_delay`, which Caddy 2.6 does not know."""
    async with visit(unique) as ada:
        kept = await ada.subscribe(f"kept:{unique}", recoverable=True)
        await asyncio.to_thread(proxy.reload)
        assert (await ada.expect_closed()).code < 3500
        await ada.reconnect()
        assert kept.recovered


@pytest.fixture
def reload(proxy: Proxy) -> Callable[[], Awaitable[None]]:
    """Has the proxy read its file again, and waits until it has."""
    how, line = (signal.SIGHUP, "reconfiguring") if isinstance(proxy, Nginx) else (signal.SIGUSR2, "Loading success")

    def times() -> int:
        return sum(line in written for written in proxy.process.lines)

    async def reload() -> None:
        before = times()
        proxy.process.signal(how)
        async with asyncio.timeout(PATIENCE):
            while times() == before:
                await asyncio.sleep(0.02)

    return reload


@pytest.mark.parametrize("proxy", [Haproxy, Caddy], indirect=True, ids=lambda kind: kind.name)
async def test_no_node_has_a_broker(proxy: Proxy, visit: Visit, cluster: TidingsCluster, unique: str) -> None:
    """/health says so: nobody is sent to nodes that are useless, and everybody when they are not. nginx asks nobody."""
    async with visit(unique) as ada:
        await asyncio.to_thread(cluster.broker.kill)  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE):
            while await status_of_handshake(proxy, visit) not in (502, 503):
                await asyncio.sleep(0.05)
        assert ada.is_open
        await asyncio.to_thread(cluster.broker.restart)  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE):
            while await status_of_handshake(proxy, visit) != 101:
                await asyncio.sleep(0.05)


async def status_of_handshake(proxy: Proxy, visit: Visit) -> int:
    client = visit("bob")
    try:
        await client.open()
    except ConversationError as error:
        return int(getattr(error, "status", 0))
    await client.leave()
    return 101
