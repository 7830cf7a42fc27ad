"""Rate limits of real servers: a flooder, clients that nobody here wrote, and proxies that say who somebody is."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import pytest
from centrifuge import ConnectedContext, ErrorContext
from tests.testing.services.programs import need
from tests.world.backend import token
from tests.world.centrifuge_python.conftest import everything_is_closed
from tests.world.centrifuge_python.listener import Encoding, Listener, Tokens
from tests.world.settings import KEY, SETTINGS
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tidings.testing import AsgiApp, PlainClient, RedisServer, TidingsNode
from tidings.testing.clients import ConversationError

pytestmark = [pytest.mark.world, pytest.mark.L3]

PATIENCE = 20.0
COMMANDS = 30
REFUSED = {"code": 111, "message": "too many requests", "temporary": True}
UNKNOWN = {"code": 102, "message": "unknown channel"}

ADDRESSES = itertools.count(1)

LARGE = "x" * 30_000
"""What a flooder sends with each command, so that the kernel's buffers are soon full."""


def limited(**limits: str) -> dict[str, Any]:
    return {**SETTINGS, "limits": limits}


@pytest.fixture(scope="module")
def server() -> Iterator[TidingsNode]:
    """Thirty commands in two seconds; few connects, by whoever the proxy on this machine says it is."""
    with TidingsNode(
        limited(commands_per_connection=f"{COMMANDS}/2s", connects_per_address="1/1h", api_requests="2/1h")
    ) as server:
        yield server


@pytest.fixture
async def plain(server: TidingsNode) -> AsyncIterator[Any]:
    """Opens a connection of a user, each from an address of its own."""
    clients: list[PlainClient] = []

    async def plain(user: str) -> PlainClient:
        headers = {"X-Forwarded-For": f"192.0.2.{next(ADDRESSES)}"}
        client = PlainClient(server.websocket, headers=headers, lines=True, patience=PATIENCE)
        await client.open()
        clients.append(client)
        await client.send({"id": 1, "connect": {"token": token(user)}})
        assert "connect" in (await client.receive())
        return client

    yield plain
    for client in clients:
        await client.leave()


def command(number: int, data: str = "") -> dict[str, Any]:
    """What is answered at once, with error 102 where the limit lets it through."""
    return {"id": number, "publish": {"channel": "nowhere:a", "data": data}}


async def answer(client: PlainClient, number: int) -> Any:
    await client.send(command(number))
    return (await client.receive())["error"]


class TestCommands:
    async def test_a_flooder_is_told_then_slowed_then_cut(self, server: TidingsNode, plain: Any) -> None:
        """Errors first; then it cannot send, because nobody reads; then 3013. Somebody else notices nothing."""
        flooder, other = await plain("mallory"), await plain("ada")
        longest = 0.0

        async def flood() -> None:
            nonlocal longest
            for number in range(2, 100_000):
                began = monotonic()
                try:
                    await flooder.send(command(number, LARGE))
                except ConversationError:
                    return
                longest = max(longest, monotonic() - began)

        flooding = asyncio.create_task(flood())
        waits: list[float] = []
        asked = 1
        while not flooding.done():
            asked += 1
            began = monotonic()
            assert await answer(other, asked) == UNKNOWN
            waits.append(monotonic() - began)
            await asyncio.wait([flooding], timeout=0.1)
        await flooding
        end = await flooder.expect_closed()
        assert (end.code, end.reason) == (3013, "too many requests")
        heard = [letter["error"] for letter in await everything(flooder)]
        assert heard[:COMMANDS] == [UNKNOWN] * COMMANDS
        assert heard[COMMANDS : 2 * COMMANDS] == [REFUSED] * COMMANDS
        assert longest > 0.5, "its sending was never held up"
        assert sorted(waits)[len(waits) // 2] < longest / 2
        numbers = await metrics(server)
        async with asyncio.timeout(PATIENCE):  # It is counted when the connection has ended, which takes a while.
            while 'tidings_disconnects_total{code="3013"}' not in numbers:
                await asyncio.sleep(0.05)
                numbers = await metrics(server)
        assert numbers['tidings_reading_pauses_total{limit="commands_per_connection"}'] >= 1
        assert numbers['tidings_rate_limited_total{limit="commands_per_connection"}'] >= 2 * COMMANDS
        assert numbers['tidings_errors_total{code="111",method="publish"}'] >= 2 * COMMANDS
        for line in ("rate limited", "flooding client paused"):
            assert any(line in said for said in server.process.lines)

    async def test_who_is_refused_may_again_after_the_window(self, plain: Any) -> None:
        """One who stops at the first refusals is neither slowed nor cut."""
        client = await plain("bob")
        told = [await answer(client, number) for number in range(2, 2 + COMMANDS)]
        assert told == [UNKNOWN] * COMMANDS
        number, refused = 2 + COMMANDS, 0
        while await answer(client, number) == REFUSED:
            number, refused = number + 1, refused + 1
            assert refused < COMMANDS
            await asyncio.sleep(0.2)
        assert client.is_open


async def everything(client: PlainClient) -> list[Any]:
    """What it has heard and not taken yet."""
    letters = []
    try:
        while True:
            letters.append(await client.receive(timeout=0.5))
    except ConversationError:
        return letters


async def metrics(server: TidingsNode) -> dict[str, float]:
    async with httpx2.AsyncClient() as http:
        text = (await http.get(f"{server.url}/metrics")).text
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


# Who somebody is.


async def status(url: str, *forwarded: str) -> tuple[int, str]:
    """What a handshake is answered, and when to come again."""
    try:
        async with connect(url, additional_headers=[("X-Forwarded-For", value) for value in forwarded], proxy=None):
            return 101, ""
    except InvalidStatus as refused:
        return refused.response.status_code, refused.response.headers.get("Retry-After", "")


def is_later(answered: tuple[int, str]) -> bool:
    return answered[0] == 429 and 3500 < int(answered[1]) <= 3601


def is_403(answered: tuple[int, str]) -> bool:
    return answered[0] == 403


async def check_addresses(url: str, is_later: Callable[[tuple[int, str]], bool] = is_later) -> None:
    """A trusted proxy's word is taken, the client's is not. One connect within an hour."""
    assert await status(url, "198.51.100.1") == (101, "")
    assert is_later(await status(url, "198.51.100.1"))
    assert is_later(await status(url, "198.51.100.77, 198.51.100.1"))
    assert is_later(await status(url, "198.51.100.78", "198.51.100.1"))
    assert is_later(await status(url, "127.0.0.1, 198.51.100.1"))
    assert await status(url, "198.51.100.1, 198.51.100.2") == (101, "")
    assert await status(url, "2001:db8:0:1::1") == (101, "")
    assert is_later(await status(url, "2001:db8:0:1:ffff::2"))
    assert await status(url, "2001:db8:0:2::1") == (101, "")


class TestAddresses:
    async def test_behind_a_trusted_proxy(self, server: TidingsNode) -> None:
        await check_addresses(server.websocket)

    async def test_the_api_goes_by_the_same_addresses(self, server: TidingsNode) -> None:
        async with httpx2.AsyncClient(base_url=server.url, headers={"X-API-Key": KEY}) as http:

            async def ask(forwarded: str) -> httpx2.Response:
                return await http.post("/api/info", json={}, headers={"X-Forwarded-For": forwarded})

            first = await ask("203.0.113.1")
            assert (first.status_code, first.headers["RateLimit-Remaining"]) == (200, "1")
            assert (await ask("203.0.113.1")).headers["RateLimit"].startswith('"api";r=0;t=')
            refused = await ask("6.6.6.6, 203.0.113.1")
            assert refused.status_code == 429
            assert 3500 < int(refused.headers["Retry-After"]) <= 3601
            assert (await ask("203.0.113.2")).status_code == 200

    async def test_chains_and_networks(self) -> None:
        """All proxies that are ours are passed over, by their networks."""
        trusted = ["127.0.0.0/8", "10.0.0.0/8"]
        settings = {**limited(connects_per_address="1/1h"), "server": {"trusted_proxies": trusted}}
        with TidingsNode(settings) as server:
            assert (await status(server.websocket, "198.51.100.1, 10.0.0.5, 10.9.9.9"))[0] == 101
            assert (await status(server.websocket, "198.51.100.1, 10.0.0.6"))[0] == 429
            assert (await status(server.websocket, "198.51.100.1, 11.0.0.6"))[0] == 101
            assert (await status(server.websocket, "198.51.100.2, 11.0.0.6"))[0] == 429

    async def test_who_is_not_trusted_may_say_what_it_likes(self) -> None:
        settings = {**limited(connects_per_address="1/1h"), "server": {"trusted_proxies": ["10.0.0.0/8"]}}
        with TidingsNode(settings) as server:
            assert (await status(server.websocket, "198.51.100.1"))[0] == 101
            assert (await status(server.websocket, "198.51.100.2"))[0] == 429
            assert (await status(server.websocket, "10.0.0.1"))[0] == 429

    async def test_several_workers(self) -> None:
        """Each counts by itself, so twice as many get through; whom they count is the same."""
        need(RedisServer)
        with RedisServer() as redis:
            settings = {
                **limited(connects_per_address="1/1h"),
                "broker": {"url": redis.url},
                "server": {"workers": 2, "drain_timeout": 0.0},
            }
            with TidingsNode(settings) as server:
                answers = [(await status(server.websocket, "198.51.100.1"))[0] for _ in range(40)]
                assert answers[0] == 101
                assert answers.count(101) <= 2
                assert answers.count(429) == 40 - answers.count(101)
                assert (await status(server.websocket, "198.51.100.1, 198.51.100.2"))[0] == 101

    @pytest.mark.parametrize("host", ["uvicorn", "hypercorn", "granian", "daphne"])
    async def test_under_another_server(self, host: str, tmp_path: Path) -> None:
        """Those that know nothing of proxies, and one that does and trusts nobody here (uvicorn).

        daphne has no status for a refusal but 403.
        """
        (tmp_path / "application.py").write_text(
            "from tidings import Tidings\n"
            "app = Tidings(settings={'client': {'anonymous': True}, 'limits': {'connects_per_address': '1/1h'}})\n"
        )
        options = {"hypercorn": ["--workers", "0"], "uvicorn": ["--forwarded-allow-ips", "10.0.0.1"]}.get(host, [])
        async with AsgiApp("application:app", folder=tmp_path, server=host, options=options) as app:
            async with httpx2.AsyncClient() as http:
                assert (await http.get(app.url + "/health")).status_code == 200
            await check_addresses(app.websocket("/connection/websocket"), is_403 if host == "daphne" else is_later)


# Clients that come again.


@pytest.fixture(scope="module", params=["connects_per_user", "connects_per_address"])
def busy(request: pytest.FixtureRequest) -> Iterator[tuple[TidingsNode, str]]:
    """A server that lets one in within two seconds, and how it says so."""
    with TidingsNode(limited(**{request.param: "1/2s"})) as server:
        yield server, "111" if request.param == "connects_per_user" else "429"


class TestClients:
    async def test_centrifuge_python_comes_again_by_itself(self, busy: tuple[TidingsNode, str]) -> None:
        server, _ = busy
        clients = [Listener(server.websocket, Encoding.JSON, Tokens(lambda: token("python"))) for _ in range(3)]
        for client in clients:
            await client.client.connect()
        refusals = 0
        for client in clients:
            while not isinstance(event := await client.journal.next(object), ConnectedContext):
                refusals += isinstance(event, ErrorContext)
        assert refusals >= 2
        for client in clients:
            await client.client.disconnect()
        await everything_is_closed()

    @pytest.mark.skipif(shutil.which("node") is None, reason="needs node on the PATH")
    async def test_npm_centrifuge_comes_again_by_itself(self, busy: tuple[TidingsNode, str]) -> None:
        server, refused = busy
        script = Path(__file__).parent / "centrifuge_js" / "limits.mjs"
        variables = {"WEBSOCKET": server.websocket, "SERVER": server.url, "ENCODING": "json", "REFUSED": refused}
        ran = await asyncio.to_thread(
            subprocess.run,
            ["node", "--test", "--test-reporter=tap", str(script)],
            env={**os.environ, **variables, "SECRET": SETTINGS["auth"]["hmac_secret"], "KEY": KEY},
            capture_output=True,
            text=True,
            timeout=50.0,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
