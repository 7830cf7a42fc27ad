"""Two nodes on one NATS are one system, for clients that know nothing of it, and stay it when NATS was away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.world.backend import token
from tests.world.centrifuge_python.listener import Encoding, Listener, Tokens
from tests.world.command import run, written
from tests.world.settings import KEY, SECRET

from tidings.testing import NatsServer
from tidings.testing.clients import Client
from tidings.testing.services import TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

PATIENCE = 20.0
OPEN = {"allow_subscribe_for_client": True, "allow_publish_for_subscriber": True}
TOLD = {**OPEN, "join_leave": True, "force_push_join_leave": True}


def settings_for(nats: NatsServer, **more: Any) -> dict[str, Any]:
    return {
        "broker": {"url": nats.url, "publish_timeout": PATIENCE, **more.pop("broker", {})},
        "auth": {"hmac_secret": SECRET},
        "api": {"key": KEY},
        "channels": {"namespaces": {"chat": OPEN, "told": TOLD}},
        **more,
    }


@pytest.fixture(scope="module")
def nats() -> Iterator[NatsServer]:
    with NatsServer() as nats:
        yield nats


@pytest.fixture(scope="module")
def nodes(nats: NatsServer) -> Iterator[tuple[TidingsNode, TidingsNode]]:
    with TidingsNode(settings_for(nats)) as here, TidingsNode(settings_for(nats)) as there:
        yield here, there


@pytest.fixture
async def apis(nodes: tuple[TidingsNode, TidingsNode]) -> AsyncIterator[list[httpx2.AsyncClient]]:
    """The HTTP API of each node."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                httpx2.AsyncClient(base_url=node.url, headers={"X-API-Key": KEY}, timeout=PATIENCE)
            )
            for node in nodes
        ]


async def publish(api: httpx2.AsyncClient, channel: str, data: object, **more: object) -> Any:
    answer = await api.post("/api/publish", json={"channel": channel, "data": data, **more})
    return answer.raise_for_status().json()


async def health(api: httpx2.AsyncClient, status: int) -> Any:
    """What /health says, as soon as it has this status."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await api.get("/health")).status_code != status:
            pass
    return answer.json()


@pytest.mark.parametrize("encoding", Encoding)
async def test_foreign_clients_of_two_nodes_hear_each_other(
    nodes: tuple[TidingsNode, TidingsNode], apis: list[httpx2.AsyncClient], encoding: Encoding
):
    """And what a back end says to either node, in its order; centrifuge-python knows nothing of two."""
    name = f"chat:{encoding.value} v1.*"
    listeners = [
        Listener(node.websocket, encoding, Tokens(lambda who=who: token(who)))
        for node, who in zip(nodes, ("ada", "bob"), strict=True)
    ]
    for listener in listeners:
        await listener.connect()
    here, there = [await listener.subscribe(name) for listener in listeners]
    await here.publish({"from": "ada"})
    assert await there.publications(1) == await here.publications(1) == [{"from": "ada"}]
    for number in range(20):
        assert "error" not in await publish(apis[1], name, {"n": number})
    assert await here.publications(20) == await there.publications(20) == [{"n": number} for number in range(20)]
    for listener in listeners:
        await listener.client.disconnect()
    # The SDK closes its sockets in tasks of its own.
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=PATIENCE)


async def test_joins_and_leaves_cross_over(nodes: tuple[TidingsNode, TidingsNode]):
    """Without presence: who comes and goes is told, and nobody keeps a list."""
    async with Client(nodes[0].websocket, token=token("ada")) as ada:
        room = await ada.subscribe("told:room")
        async with Client(nodes[1].websocket, token=token("bob")) as bob:
            await bob.subscribe("told:room")
            joined = await room.joins.receive_until(lambda info: info.user == "bob")
        left = await room.leaves.receive_until(lambda info: info.user == "bob")
        assert joined.client == left.client


async def test_an_idempotency_key_is_refused(apis: list[httpx2.AsyncClient]):
    """Not ignored, which would publish a repetition."""
    answer = await publish(apis[0], "chat:room", "once", idempotency_key="k")
    assert answer["error"]["code"] == 108
    assert "idempotency key" in answer["error"]["message"]


async def test_clients_stay_while_nats_is_away(
    nats: NatsServer, nodes: tuple[TidingsNode, TidingsNode], apis: list[httpx2.AsyncClient]
):
    """Nodes say that they cannot be used; what was published meanwhile waits, and arrives."""
    async with Client(nodes[0].websocket, token=token("ada")) as ada:
        room = await ada.subscribe("chat:away")
        nats.kill()
        for api in apis:
            assert "broker" in (await health(api, 503))["reason"]
        waiting = asyncio.create_task(publish(apis[1], "chat:away", "meanwhile"))
        nats.restart()
        for api in apis:
            await health(api, 200)
        assert "error" not in await waiting
        await publish(apis[1], "chat:away", "after")
        await room.receive_until(lambda publication: publication.data == "after")


async def test_what_could_not_be_published_is_a_temporary_error(nats: NatsServer):
    """For a back end: the code 100, and that the same may succeed later."""
    settings = settings_for(nats, broker={"publish_timeout": 0.2})
    with TidingsNode(settings) as node:
        async with httpx2.AsyncClient(base_url=node.url, headers={"X-API-Key": KEY}, timeout=PATIENCE) as api:
            await health(api, 200)
            nats.kill()
            await health(api, 503)
            error = (await publish(api, "chat:room", "lost"))["error"]
            nats.restart()
            await health(api, 200)
            assert "error" not in await publish(api, "chat:room", "there")
    assert error["code"] == 100


def test_asking_it_for_history_ends_at_the_start(nats: NatsServer, tmp_path: Path):
    """`tidings serve` says so in one line, and so does `tidings config check`."""
    kept = {"history_size": 10, "history_ttl": 60.0}
    config = written(settings_for(nats, channels={"namespaces": {"chat": kept}}), tmp_path)
    sentence = "[channels.namespaces.chat] history_size needs a broker that keeps history, which nats:// does not."
    for arguments in (("serve", "--port", "0"), ("config", "check")):
        refused = run(*arguments, "--config", config)
        assert (refused.returncode, refused.stderr) == (1, f"tidings: {sentence}\n")
