"""A client as the application's handlers see it."""

from __future__ import annotations

import asyncio

import pytest
from tests.gateway.house import House
from tests.gateway.wire import HANDSHAKE, Caller, until

from tidings.errors import BadRequest
from tidings.gateway.application import NoApplication
from tidings.gateway.client import Client
from tidings.gateway.grants import ConnectionGrant, SubscriptionGrant
from tidings.wire.centrifuge.messages import ConnectRequest

pytestmark = pytest.mark.shell


class Keeps(NoApplication):
    """An application that lets everybody in, and keeps every client that it is handed."""

    def __init__(self) -> None:
        self.clients: list[Client] = []

    def handles_connect(self) -> bool:
        return True

    def handles_subscribe(self, channel: str) -> bool:
        return True

    def handles_rpc(self) -> bool:
        return True

    def sees_clients(self) -> bool:
        return True

    def hears_ends(self) -> bool:
        return True

    async def connect(
        self, client: Client, request: ConnectRequest, grant: ConnectionGrant | None
    ) -> ConnectionGrant | None:
        self.clients.append(client)
        return ConnectionGrant("ada", info=b'{"name":"Ada"}', meta=b'{"plan":"gold"}')

    async def subscribe(self, client: Client, channel: str, data: bytes) -> SubscriptionGrant:
        self.clients.append(client)
        return SubscriptionGrant()

    async def call(self, client: Client, method: str, data: bytes) -> bytes:
        self.clients.append(client)
        client.state["calls"] = client.state.get("calls", 0) + 1
        return b"%d" % client.state["calls"]

    async def disconnected(self, client: Client, code: int, reason: str) -> None:
        self.clients.append(client)


@pytest.fixture
async def application() -> Keeps:
    return Keeps()


@pytest.fixture
async def house(application: Keeps):
    async with House(application=application) as house:
        yield house


@pytest.fixture
async def ada(house: House) -> Caller:
    """Somebody who is connected, and whom the application has seen."""
    return await house.caller("", "news")


@pytest.fixture
async def client(ada: Caller, application: Keeps) -> Client:
    return application.clients[0]


async def test_every_handler_gets_the_same_object(ada: Caller, application: Keeps) -> None:
    """So what one keeps in `state` the others find; another connection of the user has a state of its own."""
    assert [(await ada.rpc("count"))["rpc"]["data"] for _ in range(3)] == [1, 2, 3]
    ada.wire.lose()
    await until(lambda: len(application.clients) == 6)
    assert {id(client) for client in application.clients} == {id(application.clients[0])}
    other = Caller(ada.node)
    await other.connect()
    assert (await other.rpc("count"))["rpc"]["data"] == 1


async def test_it_knows_who_it_is(ada: Caller, client: Client) -> None:
    """Decoded, as the application gave it; and the request that opened the connection."""
    assert (client.id, client.user) == (ada.connection.client_id, "ada")
    assert (client.info, client.meta) == ({"name": "Ada"}, {"plan": "gold"})
    assert client.request is HANDSHAKE
    assert client.request.headers["x-room"] == "12"
    assert repr(client) == f"<Client {client.id} of user 'ada'>"


async def test_what_nobody_attached_is_none(house: House) -> None:
    stranger = Caller(house.node)
    assert (stranger.connection.client.info, stranger.connection.client.meta) == (None, None)
    assert stranger.connection.client.user == ""


async def test_it_knows_its_channels(ada: Caller, client: Client) -> None:
    """Those that are live now."""
    await ada.subscribe("more")
    assert client.channels == ["news", "more"]
    client.unsubscribe("news")
    client.unsubscribe("never")
    assert client.channels == ["more"]
    assert ada.pushes == [{"channel": "news", "unsubscribe": {"code": 2000, "reason": "server unsubscribe"}}]


async def test_data_for_it_alone(house: House, ada: Caller, client: Client) -> None:
    bob = await house.caller("")
    client.send({"note": 1})
    assert (ada.pushes, bob.pushes) == ([{"message": {"data": {"note": 1}}}], [])
    with pytest.raises(BadRequest):
        client.send(object())


async def test_it_may_be_sent_away(ada: Caller, client: Client) -> None:
    client.disconnect()
    assert ada.wire.end == (3503, "force disconnect")


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (5000, ""), (4000, "x" * 124)])
async def test_a_close_that_cannot_be_sent(ada: Caller, client: Client, code: int, reason: str) -> None:
    """A mistake of the application, told at once; the client stays."""
    with pytest.raises(ValueError, match=r"a connection ends|the reason"):
        client.disconnect(code, reason)
    client.disconnect(4000, "x" * 123)
    assert ada.wire.end == (4000, "x" * 123)


async def test_one_that_is_gone_takes_everything_and_does_nothing(ada: Caller, client: Client) -> None:
    """The application may keep a client longer than the client stays."""
    ada.wire.lose(1001, "going away")
    messages = list(ada.wire.messages)
    client.send("late")
    client.unsubscribe("news")
    client.disconnect()
    await asyncio.sleep(0)
    assert (ada.wire.messages, ada.wire.end) == (messages, (1001, "going away"))
    assert (client.channels, client.user, client.id) == ([], "ada", ada.connection.client_id)
