"""`tidings serve --workers 2` with a Redis between the processes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.world.backend import token
from tests.world.command import PATIENCE, run
from tests.world.settings import KEY, SETTINGS

from tidings.testing import Client, RedisServer, TidingsNode
from tidings.testing.clients import Closing, ConversationError

pytestmark = [pytest.mark.world, pytest.mark.L3]

ASK_AGAIN = 0.02
CLIENTS = 16
HERE_AND_GONE = "worker ended"


def several(redis: RedisServer, *arguments: str, temporary: Path | None = None, **server: Any) -> TidingsNode:
    """Two workers. `temporary` is where they put what is theirs alone."""
    settings = {**SETTINGS, "broker": {"url": redis.url}, "server": {"workers": 2, "drain_timeout": 2.0, **server}}
    variables = {} if temporary is None else {"TMPDIR": str(temporary)}
    return TidingsNode(settings, arguments=arguments, environment=variables)


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await is_so():
            await asyncio.sleep(ASK_AGAIN)


def workers(node: TidingsNode) -> list[int]:
    """The process ids of the workers that live, in the order in which they came up."""
    began = [int(found[1]) for line in node.process.lines if (found := re.search(r'"started".*"pid": (\d+)', line))]
    return [pid for pid in began if is_alive(pid)]


def is_alive(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def left(directory: Path) -> list[str]:
    """What the workers have forgotten there."""
    return [path.name for path in directory.iterdir()]


async def all_up(node: TidingsNode) -> list[int]:
    async def are() -> bool:
        return len(workers(node)) == 2

    await until(are)
    return workers(node)


class Api:
    """Requests, each on a connection of its own: any worker may answer."""

    def __init__(self, node: TidingsNode) -> None:
        self._url = node.url

    async def get(self, path: str) -> httpx2.Response:
        async with httpx2.AsyncClient(timeout=PATIENCE) as http:
            return await http.get(self._url + path)

    async def call(self, method: str, **request: Any) -> Any:
        async with httpx2.AsyncClient(timeout=PATIENCE, headers={"X-API-Key": KEY}) as http:
            return (await http.post(f"{self._url}/api/{method}", json=request)).json()["result"]

    async def metrics(self) -> dict[str, float]:
        rows = [row for row in (await self.get("/metrics")).text.splitlines() if not row.startswith("#")]
        return {name: float(value) for name, _, value in (row.rpartition(" ") for row in rows)}

    async def per_worker(self) -> list[int]:
        """How many clients each worker has."""
        return [node["num_clients"] for node in (await self.call("info"))["nodes"]]


async def crowd(stack: AsyncExitStack, node: TidingsNode, api: Api) -> list[Client]:
    """Clients of which each worker has some."""
    clients: list[Client] = []
    while len(clients) < CLIENTS or 0 in await api.per_worker():
        one = Client(node.websocket, token=token(f"user-{len(clients)}"), patience=PATIENCE)
        clients.append(await stack.enter_async_context(one))
        assert len(clients) < 1000, "one of the workers gets nobody"
    return clients


async def test_everybody_hears_everybody(redis: RedisServer) -> None:
    """Both workers have clients, and what reaches one of the workers is heard by the clients of both."""
    async with several(redis) as node, AsyncExitStack() as stack:
        await all_up(node)
        api = Api(node)
        clients = await crowd(stack, node, api)
        listening = await asyncio.gather(*(one.subscribe("kept:it") for one in clients))
        for number in range(4):
            await api.call("publish", channel="kept:it", data=number)
        for one in listening:
            assert [(await one.receive()).data for _ in range(4)] == [0, 1, 2, 3]


async def test_one_page_of_numbers(redis: RedisServer) -> None:
    """Whichever worker is asked, it answers for all; a process' own numbers say whose they are."""
    async with several(redis) as node, AsyncExitStack() as stack:
        await all_up(node)
        api = Api(node)
        clients = await crowd(stack, node, api)
        for _ in range(10):
            page = await api.metrics()
            assert page["tidings_workers"] == 2
            assert page['tidings_connections{codec="json",transport="websocket"}'] == len(clients)
            assert page["tidings_connect_duration_seconds_count"] == len(clients)
            assert page['tidings_connect_duration_seconds_bucket{le="+Inf"}'] == len(clients)
            assert {f'process_start_time_seconds{{worker="{number}"}}' for number in (1, 2)} <= page.keys()
        accept = {"accept": "application/openmetrics-text"}
        assert httpx2.get(f"{node.url}/metrics", headers=accept).text.endswith("# EOF\n")


async def test_a_worker_that_dies(redis: RedisServer) -> None:
    """The other one goes on, nothing of the dead one's numbers is left, and another one takes its place."""
    async with several(redis) as node, AsyncExitStack() as stack:
        await all_up(node)
        api = Api(node)
        clients = await crowd(stack, node, api)
        victim, survivor = workers(node)
        os.kill(victim, signal.SIGKILL)
        lost = [one for one in clients if not await stays(one)]
        assert 0 < len(lost) < CLIENTS
        assert (await api.get("/health")).status_code == 200
        kept = len(clients) - len(lost)

        async def is_replaced() -> bool:
            return (await api.metrics())["tidings_workers"] == 2

        await until(is_replaced)
        assert survivor in await all_up(node)
        page = await api.metrics()
        assert page['tidings_connections{codec="json",transport="websocket"}'] == kept
        for one in lost:
            await one.reconnect()
        assert len(workers(node)) == 2


async def test_a_dead_workers_places_are_free_again(redis: RedisServer) -> None:
    """With one connection for each user the client of a killed worker is let in again long before the lease ends."""
    settings = {
        **SETTINGS,
        "broker": {"url": redis.url, "lease": 600.0},
        "server": {"workers": 2},
        "client": {"user_connection_limit": 1},
    }
    with TidingsNode(settings) as node:
        victims = await all_up(node)
        async with Client(node.websocket, token=token("ada"), patience=PATIENCE) as client:

            async def is_known() -> bool:
                return bool(redis.ask("KEYS", "tidings:connections:*"))

            async def is_in_again() -> bool:
                with suppress(ConversationError, OSError):
                    await client.reconnect()
                    return True
                return False

            await until(is_known)
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            assert not await stays(client)
            await until(is_in_again)


async def test_a_worker_that_hangs(redis: RedisServer) -> None:
    """It holds up neither new clients nor the page of numbers, and is missing there."""
    async with several(redis) as node:
        hanging, _ = await all_up(node)
        api = Api(node)
        os.kill(hanging, signal.SIGSTOP)
        try:
            page = await api.metrics()
            async with Client(node.websocket, token=token("ada"), patience=PATIENCE):
                assert page["tidings_workers"] == 1
        finally:
            os.kill(hanging, signal.SIGCONT)


async def stays(client: Client) -> bool:
    """Whether the connection outlives what has just happened to somebody's worker."""
    try:
        await client.expect_closed(timeout=0.05)
    except (TimeoutError, AssertionError):
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("whom", [os.kill, os.killpg], ids=["supervisor", "group"])
async def test_a_signal_sends_everybody_away(
    redis: RedisServer, tmp_path: Path, number: signal.Signals, whom: Callable[[int, int], None]
) -> None:
    """The clients of all workers are told 3001, and the exit code is 0; also where a terminal signals them all."""
    async with several(redis, temporary=tmp_path) as node, AsyncExitStack() as stack:
        pids = await all_up(node)
        clients = await crowd(stack, node, Api(node))
        whom(node.process.pid, number)
        for one in clients:
            assert await one.expect_closed(timeout=PATIENCE) == Closing(3001, "shutdown")
        assert await asyncio.to_thread(node.process.wait, PATIENCE) == 0
        log = "\n".join(node.process.lines)
        assert "Traceback" not in log
        assert HERE_AND_GONE not in log
        assert not any(map(is_alive, pids))
    assert not left(tmp_path)


async def test_second_signal_ends_at_once(redis: RedisServer) -> None:
    """A client that never answers holds a worker up, until a second signal does not wait for it."""
    async with several(redis, drain_timeout=60.0) as node:
        pids = await all_up(node)
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(
            b"GET /connection/websocket HTTP/1.1\r\nHost: tidings.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        node.process.signal(signal.SIGTERM)
        assert await reader.readexactly(12) == b"\x88\x0a\x0b\xb9shutdown"
        node.process.signal(signal.SIGTERM)
        assert await asyncio.to_thread(node.process.wait, PATIENCE) == 128 + signal.SIGTERM
        writer.close()
        assert not any(map(is_alive, pids))


async def test_a_worker_that_is_asked_to_go(redis: RedisServer) -> None:
    """SIGTERM to one worker sends its clients away, tells them to come back, and has it replaced."""
    async with several(redis) as node, AsyncExitStack() as stack:
        first, _ = await all_up(node)
        clients = await crowd(stack, node, Api(node))
        os.kill(first, signal.SIGTERM)
        await asyncio.to_thread(node.process.line, HERE_AND_GONE, timeout=PATIENCE)
        gone = [one for one in clients if not await stays(one)]
        assert 0 < len(gone) < len(clients)
        assert {await one.expect_closed() for one in gone} == {Closing(3001, "shutdown")}
        assert first not in await all_up(node)


async def test_no_worker_outlives_its_supervisor(redis: RedisServer, tmp_path: Path) -> None:
    """A supervisor that is killed takes its workers with it, which still tell their clients; nothing is left."""
    async with several(redis, temporary=tmp_path) as node, AsyncExitStack() as stack:
        pids = await all_up(node)
        clients = await crowd(stack, node, Api(node))
        os.kill(node.process.pid, signal.SIGKILL)
        for one in clients:
            assert await one.expect_closed(timeout=PATIENCE) == Closing(3001, "shutdown")

        async def are_gone() -> bool:
            return not any(map(is_alive, pids)) and not left(tmp_path)

        await until(are_gone)


def test_workers_that_cannot_come_up(redis: RedisServer) -> None:
    """One sentence, once, and exit code 1: a broker that is away, as a single server says it."""
    url = "redis://127.0.0.1:1"
    refused = run("serve", "--port", "0", "--workers", "2", "--broker", url)
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("tidings: ")]
    assert url in line
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("demo", [[], ["--demo"]])
def test_workers_with_a_broker_in_memory(demo: list[str]) -> None:
    """They could not hear each other."""
    refused = run("serve", "--port", "0", "--workers", "2", *demo)
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert "memory://" in line


async def test_demo_with_workers(redis: RedisServer) -> None:
    """Each worker makes tokens that the others take."""
    async with several(redis, "--demo") as node, AsyncExitStack() as stack:
        await all_up(node)
        api = Api(node)
        for _ in range(8):
            session = (await api.get("/demo/session?name=Ada")).json()
            one = await stack.enter_async_context(Client(node.websocket, token=session["token"]))
            await one.subscribe(session["channel"])
