"""The example in `examples/fastapi_app`, in a process of its own: the fast path, and plain ASGI under four servers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from centrifuge import Client, ConnectingContext, DisconnectedContext, ReplyError, UnsubscribedContext
from tests.world.backend import token
from tests.world.centrifuge_python.listener import PATIENCE, RETRY, ClientJournal, Encoding, Listener
from tests.world.conftest import MOUNTED

from tidings.testing import AsgiApp, PlainClient

pytestmark = [pytest.mark.world, pytest.mark.L3]

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_app"

HOSTS = {
    "uvicorn with our protocol": ("uvicorn", ["--ws", "tidings:WebSocketProtocol"], "websocket"),
    "uvicorn as it is": ("uvicorn", [], "asgi"),
    "hypercorn": ("hypercorn", ["--workers", "0"], "asgi"),
    "granian": ("granian", [], "asgi"),
    "daphne": ("daphne", [], "asgi"),
}

ADAS_COOKIE = {"Cookie": "theme=dark; session=4d65822107fc"}


class Customer(Listener):
    """A client of the SDK that comes with a cookie, or with a token."""

    def __init__(self, websocket: str, *, token: str = "", headers: dict[str, str] | None = None) -> None:
        self.encoding = Encoding.JSON
        self.journal = ClientJournal()
        self.client = Client(
            websocket, events=self.journal, token=token, headers=headers, min_reconnect_delay=RETRY, proxy=None
        )


@pytest.fixture(scope="module", params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    return request.param


def hosted(host: str) -> AsgiApp:
    server, options, _ = HOSTS[host]
    return AsgiApp("main:app", folder=EXAMPLE, server=server, options=options)


@pytest.fixture(scope="module")
def server(host: str) -> Iterator[AsgiApp]:
    with hosted(host) as server:
        yield server


@pytest.fixture(scope="module")
def http(server: AsgiApp) -> Iterator[httpx2.Client]:
    """The shop's own routes."""
    with httpx2.Client(base_url=server.url, timeout=PATIENCE) as http:
        yield http


@pytest.fixture
async def introduce() -> AsyncIterator[Callable[..., Customer]]:
    """Makes customers of a server. All have left at the end, and their sockets are closed."""
    customers: list[Customer] = []

    def introduce(server: AsgiApp, **how: Any) -> Customer:
        customers.append(Customer(server.websocket(MOUNTED), **how))
        return customers[-1]

    yield introduce
    for customer in customers:
        await customer.client.disconnect()
    if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(tasks, timeout=PATIENCE)


@pytest.fixture
def comes(server: AsgiApp, introduce: Callable[..., Customer]) -> Callable[..., Awaitable[Customer]]:
    """Connects a customer."""

    async def comes(**how: Any) -> Customer:
        customer = introduce(server, **how)
        await customer.connect()
        return customer

    return comes


async def test_the_shops_own_routes_are_as_before(server: AsgiApp, http: httpx2.Client) -> None:
    """HTTP, and a WebSocket that never hears of Tidings."""
    assert http.get("/customers/nobody").json() == {"last_seen": None}
    assert http.get("/nowhere").status_code == 404
    address = server.websocket("/chatter")
    async with PlainClient(address, patience=PATIENCE) as one, PlainClient(address, patience=PATIENCE) as other:
        for number, client in enumerate([one, other, one, one]):
            await client.send_text(f"hello {number}")
            assert await client.receive(timeout=PATIENCE) == f"hello {number}"


async def test_a_customer_watches_an_order(comes: Callable[..., Awaitable[Customer]], http: httpx2.Client) -> None:
    """The cookie says whose it is; what the shop posts arrives, with its place in the stream."""
    ada = await comes(headers=ADAS_COOKIE)
    order = await ada.subscribe("orders:42")
    offset = http.post("/orders/42/ship").json()["offset"]
    publication = await order.publication()
    assert (publication.data, publication.offset) == ({"status": "shipped"}, offset)


@pytest.mark.parametrize(("order", "code"), [("43", 103), ("mine", 107)])
async def test_nobody_watches_the_order_of_another(
    comes: Callable[..., Awaitable[Customer]], order: str, code: int
) -> None:
    """Nor one that cannot be."""
    ada = await comes(headers=ADAS_COOKIE)
    channel = await ada.try_to_subscribe(f"orders:{order}")
    assert (await channel.next(UnsubscribedContext)).code == code


async def test_a_token_does_as_well(comes: Callable[..., Awaitable[Customer]]) -> None:
    """Two customers with two ways to say who they are; what one of them says both of them hear."""
    phone, browser = await comes(token=token("ada")), await comes(headers=ADAS_COOKIE)
    heard = [await customer.subscribe("orders:42") for customer in (phone, browser)]
    await heard[0].publish({"text": "at last"})
    for order in heard:
        publication = await order.publication()
        assert (publication.data, publication.info.user) == ({"text": "at last"}, "ada")
    with pytest.raises(ReplyError) as refused:
        await phone.client.publish("orders:43", {"text": "not mine"})
    assert refused.value.code == 103


async def test_a_stranger_is_not_let_in(server: AsgiApp, introduce: Callable[..., Customer]) -> None:
    stranger = introduce(server)
    await stranger.client.connect()
    assert (await stranger.journal.skip_to(DisconnectedContext)).code == 103


async def test_a_call_has_types(comes: Callable[..., Awaitable[Customer]]) -> None:
    """And what does not fit them is told with the name of the field."""
    ada = await comes(headers=ADAS_COOKIE)
    assert await ada.rpc("postage", {"kilograms": 2}) == {"euros": 9.0}
    assert await ada.rpc("postage", {"kilograms": 2, "express": True}) == {"euros": 18.0}
    with pytest.raises(ReplyError, match="parcel: Expected float, got str, at kilograms") as refused:
        await ada.rpc("postage", {"kilograms": "two"})
    assert refused.value.code == 107


async def test_the_shop_hears_who_has_left(comes: Callable[..., Awaitable[Customer]], http: httpx2.Client) -> None:
    bob = await comes(token=token("bob"))
    assert http.get("/customers/bob").json() == {"last_seen": None}
    await bob.client.disconnect()
    async with asyncio.timeout(PATIENCE):
        while http.get("/customers/bob").json()["last_seen"] is None:
            await asyncio.sleep(0.01)
    assert http.get("/customers/bob").json()["last_seen"].startswith("left with code 100")


async def test_it_goes_the_way_that_the_server_allows(
    comes: Callable[..., Awaitable[Customer]], http: httpx2.Client, host: str
) -> None:
    """Under our protocol class the hub takes the connection over; elsewhere it speaks plain ASGI."""
    await comes(headers=ADAS_COOKIE)
    gauges = re.findall(
        r"^tidings_connections\{.*transport=\"(\w+)\".*\} (.+)$", http.get("/realtime/metrics").text, re.M
    )
    assert [(transport, float(number) >= 1) for transport, number in gauges] == [(HOSTS[host][2], True)]


async def test_a_server_that_stops_says_so(introduce: Callable[..., Customer]) -> None:
    """On the fast path, where the connections are the hub's: the client knows that it may come back."""
    async with hosted("uvicorn with our protocol") as server:
        ada = introduce(server, headers=ADAS_COOKIE)
        await ada.connect()
        await asyncio.to_thread(server.stop)
        told = await ada.journal.skip_to(ConnectingContext)
        assert (told.code, told.reason) == (3001, "shutdown")
