"""A mounted hub under each server that docs/servers.md names: what holds everywhere, and what its table says."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable, Iterator

import cent
import httpx2
import pytest
from tests.docs.pages import page, rows, section
from tests.world.backend import token
from tests.world.command import PATIENCE, ROOT
from tests.world.conftest import MOUNTED
from tests.world.settings import KEY
from websockets.asyncio.client import connect

from tidings.testing import AsgiApp, Client, PlainClient
from tidings.testing.clients import Closing, ConversationError, UpgradeRefused

pytestmark = [pytest.mark.world, pytest.mark.L3]

FLOOD = 50
"""Publications of 400 kB each, of which nobody's buffers hold more than half."""

HOSTS = {
    "uvicorn with our protocol class": ("uvicorn", ["--ws", "tidings:WebSocketProtocol"]),
    "uvicorn": ("uvicorn", []),
    "hypercorn": ("hypercorn", ["--workers", "0"]),
    "granian": ("granian", []),
    "daphne": ("daphne", []),
}

COLUMNS = ["refusal", "message too long", "close reason", "compression", "2 MB at once", "slow client", "stop", "told"]

TABLE = {
    cells[0]: dict(zip(COLUMNS, cells[1:], strict=True)) for cells in rows(section(page("servers.md"), "What differs"))
}


def hosted(host: str) -> AsgiApp:
    server, options = HOSTS[host]
    return AsgiApp("tests.world.servers.application:app", folder=ROOT, server=server, options=options)


@pytest.fixture(scope="module", params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def server(host: str) -> Iterator[AsgiApp]:
    with hosted(host) as server:
        yield server


@pytest.fixture
def visit(server: AsgiApp) -> Callable[..., Client]:
    """A client that has a token and is to be entered."""
    return lambda user="ada", **how: Client(server.websocket(MOUNTED), token=token(user), patience=PATIENCE, **how)


def test_the_table_names_every_server() -> None:
    assert list(TABLE) == list(HOSTS)


# Everywhere.


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
async def test_a_back_end_reaches_clients(server: AsgiApp, visit: Callable[..., Client], encoding: str, unique: str):
    """`cent` publishes, sees who is there, and ends a connection with its own code."""
    async with cent.AsyncClient(f"{server.url}/realtime/api", KEY) as api, visit(unique, encoding=encoding) as ada:
        channel = f"chat:{unique}"
        chat = await ada.subscribe(channel)
        await api.publish(cent.PublishRequest(channel=channel, data={"n": 1}))
        assert (await chat.receive()).data == {"n": 1}
        present = await api.presence(cent.PresenceRequest(channel=channel))
        assert [info.user for info in present.presence.values()] == [unique]
        await api.disconnect(cent.DisconnectRequest(user=unique, disconnect=cent.Disconnect(code=4501, reason="bye")))
        assert (await ada.expect_closed()).code == 4501


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
async def test_what_was_missed_is_recovered(server: AsgiApp, visit: Callable[..., Client], encoding: str, unique: str):
    async with cent.AsyncClient(f"{server.url}/realtime/api", KEY) as api, visit(unique, encoding=encoding) as ada:
        kept = await ada.subscribe(f"kept:{unique}", recoverable=True)
        for number in range(3):
            await api.publish(cent.PublishRequest(channel=kept.channel, data=number))
            if number == 0:
                assert (await kept.receive()).data == 0
                ada.drop()
                await ada.expect_closed()
        await ada.reconnect()
        assert kept.recovered
        assert [(await kept.receive()).data for _ in range(2)] == [1, 2]


# What the table says, column by column.


async def test_refusal(server: AsgiApp, host: str, visit: Callable[..., Client]) -> None:
    """A hub that is full says so by a status, where the server lets it."""
    address = server.websocket("/full/connection/websocket")
    async with PlainClient(address, patience=PATIENCE):
        with pytest.raises(UpgradeRefused) as refused:
            await PlainClient(address, patience=PATIENCE).open()
    assert TABLE[host]["refusal"] == str(refused.value.status)
    with pytest.raises(UpgradeRefused) as refused:
        await visit(headers={"Origin": "https://elsewhere.example"}).open()
    assert refused.value.status == 403


async def test_message_that_is_too_long(host: str, visit: Callable[..., Client]) -> None:
    async with visit() as ada:
        await ada.send_text("x" * 65_537)
        assert TABLE[host]["message too long"] == f"{(await ada.expect_closed()).code:d}"


async def test_reason_of_a_close(host: str, server: AsgiApp) -> None:
    """The code arrives everywhere."""
    async with PlainClient(server.websocket(MOUNTED), patience=PATIENCE) as client:
        await client.send_text("no command")
        closing = await client.expect_closed()
    assert closing == Closing(3501, {"yes": "bad request", "no": ""}[TABLE[host]["close reason"]])


async def test_compression(host: str, server: AsgiApp) -> None:
    """Which of two hubs, one with `[client] compression` and one without, agree on it."""
    agreed = [await compresses(server.websocket(f"{hub}/connection/websocket")) for hub in ("/realtime", "/full")]
    said = {(True, False): "as `[client] compression` says", (True, True): "always", (False, False): "never"}
    assert TABLE[host]["compression"] == said[agreed[0], agreed[1]]


async def compresses(address: str) -> bool:
    async with connect(address, compression="deflate", proxy=None) as connection:
        assert connection.response is not None
        return "permessage-deflate" in connection.response.headers.get("Sec-WebSocket-Extensions", "")


async def test_long_answer(host: str, visit: Callable[..., Client]) -> None:
    async with visit() as ada:
        try:
            answer = await ada.rpc("long")
        except ConversationError:
            arrives = False
        else:
            arrives = answer == "x" * 2_000_000
    assert TABLE[host]["2 MB at once"] == ("arrives" if arrives else f"{ada.closing.code:d}" if ada.closing else "")


async def test_slow_client(host: str, server: AsgiApp, visit: Callable[..., Client], unique: str) -> None:
    """One that does not read is cut off when its queue is full, or only when it has not answered a ping."""
    before = await ends(server)
    ada, bob = visit(), visit()
    async with ada, bob:
        await ada.subscribe(f"plain:{unique}")
        heard = await bob.subscribe(f"plain:{unique}")
        ada.stall()
        async with httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
            for _ in range(FLOOD):
                assert (await http.post(f"/large/plain:{unique}")).status_code == 200
                await heard.receive()
        if TABLE[host]["slow client"] == "3012":
            code = await new_end(server, before)
        else:
            ada.resume()
            code = f"{(await ada.expect_closed()).code:d}"
    assert TABLE[host]["slow client"] == code


async def new_end(server: AsgiApp, before: dict[str, float]) -> str:
    """The code with which the next connection ends."""
    async with asyncio.timeout(PATIENCE):
        while True:
            now = await ends(server)
            if more := [code for code in ("3008", "3012") if now.get(code, 0) > before.get(code, 0)]:
                return more[0]
            await asyncio.sleep(0.05)


async def ends(server: AsgiApp) -> dict[str, float]:
    """How many connections have ended by each code."""
    async with httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        text = (await http.get("/realtime/metrics")).text
    return {
        code: float(count) for code, count in re.findall(r'^tidings_disconnects_total{code="(\w+)"} (\S+)$', text, re.M)
    }


async def test_stop(host: str, unique: str) -> None:
    """What clients see, and whether the application hears of it."""
    async with hosted(host) as server:
        async with Client(server.websocket(MOUNTED), token=token(unique), patience=PATIENCE) as ada:
            server.process.signal(signal.SIGTERM)
            code = (await ada.expect_closed()).code
        assert await asyncio.to_thread(server.process.wait, PATIENCE) in (0, -signal.SIGTERM)
        told = f"gone: {unique}" in server.process.lines
    assert TABLE[host]["stop"] == f"{code:d}"
    assert TABLE[host]["told"] == ("yes" if told else "no")
