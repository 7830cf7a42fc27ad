"""Nodes that know of each other through NATS, which stores nothing: what one is told to do, all do."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from tests.world.backend import token
from tests.world.settings import KEY, SECRET

from tidings.testing import NatsServer
from tidings.testing.clients import Client
from tidings.testing.services import TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

PATIENCE = 20.0
LEASE = 2.0


def settings_for(nats: NatsServer) -> dict[str, Any]:
    return {
        "broker": {"url": nats.url, "publish_timeout": PATIENCE, "lease": LEASE},
        "auth": {"hmac_secret": SECRET},
        "api": {"key": KEY},
        "channels": {"namespaces": {"chat": {"allow_subscribe_for_client": True}}},
    }


def api_of(node: TidingsNode) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=node.url, headers={"X-API-Key": KEY}, timeout=PATIENCE)


async def ask(api: httpx2.AsyncClient, method: str, **parameters: object) -> Any:
    answer = (await api.post(f"/api/{method}", json=parameters)).raise_for_status().json()
    assert "error" not in answer, answer
    return answer["result"]


async def known_nodes(api: httpx2.AsyncClient, count: int) -> None:
    """Return as soon as a node counts so many, itself among them."""
    async with asyncio.timeout(PATIENCE):
        while len((await ask(api, "info"))["nodes"]) != count:
            pass


async def test_nodes_come_and_go(nats_server: NatsServer):
    """A newcomer is known at once and knows at once; one that died is forgotten within its lease."""
    with TidingsNode(settings_for(nats_server)) as here, TidingsNode(settings_for(nats_server)) as there:
        async with api_of(here) as first, api_of(there) as second:
            for api in (first, second):
                await known_nodes(api, 2)
            with TidingsNode(settings_for(nats_server)) as newcomer:
                async with api_of(newcomer) as third:
                    for api in (third, first, second):
                        await known_nodes(api, 3)
            for api in (first, second):
                await known_nodes(api, 2)
            there.kill()
            await known_nodes(first, 1)


async def test_an_order_reaches_the_user_on_another_node(nats_server: NatsServer):
    """To be subscribed, unsubscribed and sent away."""
    with TidingsNode(settings_for(nats_server)) as here, TidingsNode(settings_for(nats_server)) as there:
        async with api_of(here) as api, Client(there.websocket, token=token("ada")) as ada:
            await ask(api, "subscribe", user="ada", channel="chat:room")
            room = await ada.subscription("chat:room")
            await ask(api, "publish", channel="chat:room", data={"n": 1})
            assert (await room.receive()).data == {"n": 1}
            await ask(api, "unsubscribe", user="ada", channel="chat:room")
            await room.expect_unsubscribed()
            await ask(api, "disconnect", user="ada")
            assert (await ada.expect_closed()).code == 3503
