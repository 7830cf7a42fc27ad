"""Endpoints beside handlers: who decides what, in an application that has both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.wire import Caller
from tests.world.settings import SECRET
from tests.world.webhooks.office import ASKED, Receiver, settings, until

from tidings import Client, Tidings
from tidings.app import build
from tidings.app.replies import ConnectReply
from tidings.app.settings import Settings
from tidings.errors import SettingsError

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture(scope="module")
def office() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def receiver(office: Receiver) -> Receiver:
    office.forget()
    return office


def hub(receiver: Receiver, *events: str, **more: Any) -> Tidings:
    return Tidings(settings={**settings(receiver, *events), **more})


async def test_a_handler_wins_where_it_fits(receiver: Receiver) -> None:
    async with hub(receiver, *ASKED, "disconnect") as both:
        heard = []

        @both.on_connect
        async def connect(client: Client) -> ConnectReply:
            return ConnectReply(user="ada")

        @both.on_subscribe("app:mine")
        async def subscribe(client: Client) -> bool:
            return False

        @both.on_publish("app:mine")
        async def publish(client: Client) -> bool:
            return True

        @both.rpc("here")
        async def here(client: Client) -> str:
            return "here"

        @both.on_disconnect
        async def disconnect(client: Client, code: int) -> None:
            heard.append(code)

        ada = Caller(both.node)
        assert "connect" in await ada.connect()
        receiver.answers("rpc", {"result": {"data": "there"}})
        assert (await ada.subscribe("app:mine"))["error"]["code"] == 103
        assert "subscribe" in await ada.subscribe("app:theirs")
        assert "publish" in await ada.ask({"publish": {"channel": "app:mine", "data": 1}})
        assert (await ada.rpc("here"))["rpc"] == {"data": "here"}
        assert (await ada.rpc("elsewhere"))["rpc"] == {"data": "there"}
        ada.wire.lose()
        await until(lambda: receiver.bodies("disconnect"))
        assert heard == [1006]
        asked = {event: len(receiver.calls(event)) for event in ASKED}
        assert asked == dict.fromkeys(ASKED, 0) | {"subscribe": 1, "rpc": 1}


async def test_where_anybody_may_come_the_endpoint_is_asked_all_the_same(receiver: Receiver) -> None:
    async with hub(receiver, "connect", client={"anonymous": True}) as open_to_all:
        receiver.answers("connect", {"error": {"code": 400, "message": "no"}})
        assert (await Caller(open_to_all.node).connect())["error"]["code"] == 400


async def test_without_endpoints_nothing_changes(receiver: Receiver) -> None:
    async with Tidings(settings={"auth": {"hmac_secret": SECRET}}) as plain:
        stranger = Caller(plain.node)
        stranger.arrive()
        assert await stranger.ended() == (3501, "bad request")
        assert not plain.node.farewells


async def test_a_namespace_of_the_program(receiver: Receiver) -> None:
    """It may ask the endpoints that the settings have, and no others."""
    async with hub(receiver, "subscribe") as both:
        both.namespace("late", subscribe_proxy=True)
        with pytest.raises(SettingsError, match=r"publish_proxy needs an endpoint; set \[proxy.publish\] endpoint"):
            both.namespace("later", publish_proxy=True)


async def test_a_certificate_file_that_is_not_there() -> None:
    values = {"proxy": {"rpc": {"endpoint": "https://app.example", "ca_file": "/nowhere.pem"}}}
    with pytest.raises(
        SettingsError, match=r"\[proxy.rpc\] ca_file cannot be used: /nowhere.pem: No such file or directory\.$"
    ):
        build.check(Settings.of(values))
