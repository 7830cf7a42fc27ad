"""Statuses that the settings give a meaning: decisions, and no faults of the endpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.world.webhooks.office import ASKED, Receiver, known, metric, settings, until

from tidings.gateway.webhooks.endpoint import THRESHOLD
from tidings.testing import Client, TidingsNode
from tidings.testing.clients import ConversationError, ReplyError
from tidings.wire.centrifuge.messages import RPCRequest, SubscribeRequest

pytestmark = [pytest.mark.world, pytest.mark.L3]

MEANINGS = [
    {"status_code": 404, "to_error": {"code": 1404, "message": "no such thing"}},
    {"status_code": 503, "to_error": {"code": 1503, "message": "later", "temporary": True}},
    {"status_code": 401, "to_disconnect": {"code": 4501, "reason": "log in first"}},
]


@pytest.fixture(scope="module")
def node(office: Receiver) -> Iterator[TidingsNode]:
    more = {event: {"status_to_code_transforms": MEANINGS} for event in ASKED}
    with TidingsNode(settings(office, **more)) as node:
        yield node


async def refused(client: Client, **command: Any) -> tuple[int, str, bool]:
    with pytest.raises(ReplyError) as caught:
        await client.ask(**command)
    return caught.value.code, caught.value.message, caught.value.temporary


async def ended(client: Client, **command: Any) -> tuple[int, str]:
    with pytest.raises(ConversationError) as caught:
        await (client.ask(**command) if command else client.connect())
    assert caught.value.closing is not None
    return caught.value.closing.code, caught.value.closing.reason


async def test_an_error(receiver: Receiver, node: TidingsNode) -> None:
    """Whoever asked gets it as the answer, whatever the body is."""
    for name in ("connect", "subscribe", "publish", "rpc"):
        receiver.plan(name, {"status": 404, "raw": "<html>"})
    with pytest.raises(ReplyError, match="1404: no such thing"):
        await Client(node.websocket).connect()
    async with known(node.websocket) as ada:
        assert await refused(ada, subscribe=SubscribeRequest("app:a")) == (1404, "no such thing", False)
        for page in ({"size": 70_000}, {"headers": {"content-encoding": "gzip"}}, {"raw": ""}):
            receiver.plan("rpc", {"status": 404, **page})
            assert await refused(ada, rpc=RPCRequest(method="m")) == (1404, "no such thing", False), page
        receiver.answers("subscribe", {"result": {}})
        await ada.subscribe("app:a")
        with pytest.raises(ReplyError, match="1404: no such thing"):
            await ada.publish("app:a", 1)


async def test_an_end(receiver: Receiver, node: TidingsNode) -> None:
    for name in ("connect", "rpc"):
        receiver.plan(name, {"status": 401})
    assert await ended(Client(node.websocket)) == (4501, "log in first")
    ada = known(node.websocket)
    await ada.connect()
    assert await ended(ada, rpc=RPCRequest(method="m")) == (4501, "log in first")


async def test_a_renewal(receiver: Receiver, node: TidingsNode) -> None:
    """An end is one; an error is as if the endpoint had said so, and is asked again later."""
    receiver.answers("connect", {"result": {"user": "42", "expire_at": time.time() + 0.1}})
    receiver.plan("refresh", {"status": 404})
    async with Client(node.websocket) as client:
        await until(lambda: receiver.calls("refresh"))
        assert await client.rpc("m") is None
    receiver.answers("connect", {"result": {"user": "42", "expire_at": time.time() + 0.1}})
    receiver.plan("refresh", {"status": 401})
    client = Client(node.websocket)
    await client.connect()
    assert (await client.expect_closed()).code == 4501
    await client.leave()


async def test_what_is_meant_is_no_failure(receiver: Receiver, node: TidingsNode) -> None:
    """However often it comes the endpoint is not left alone; it counts as a decision, and nothing is logged."""
    receiver.plan("rpc", {"status": 503})
    counted = 'tidings_webhook_calls_total{event="rpc",outcome="error"}'
    before, logged = metric(node, counted), node.process.log.count("webhook failed")
    async with known(node.websocket) as ada:
        for _ in range(THRESHOLD * 2):
            assert await refused(ada, rpc=RPCRequest(method="m")) == (1503, "later", True)
    assert len(receiver.calls("rpc")) == THRESHOLD * 2
    assert metric(node, counted) - before == THRESHOLD * 2
    assert metric(node, 'tidings_webhook_away{event="rpc"}') == 0
    assert node.process.log.count("webhook failed") == logged


async def test_a_status_without_a_meaning_is_a_failure(receiver: Receiver, node: TidingsNode) -> None:
    """Its body, which is nobody's answer, makes no difference; and one with a meaning ends the failures."""
    before = metric(node, 'tidings_webhook_calls_total{event="rpc",outcome="broken"}')
    page = {"status": 500, "size": 70_000}
    receiver.plan("rpc", *[page] * (THRESHOLD - 1), {"status": 404}, *[page] * THRESHOLD, {"status": 404})
    async with known(node.websocket) as ada:
        codes = [(await refused(ada, rpc=RPCRequest(method="m")))[0] for _ in range(2 * THRESHOLD)]
        assert codes == [100] * (THRESHOLD - 1) + [1404] + [100] * THRESHOLD
        assert metric(node, 'tidings_webhook_away{event="rpc"}') == 1
        broken = metric(node, 'tidings_webhook_calls_total{event="rpc",outcome="broken"}')
        assert broken - before == 2 * THRESHOLD - 1
        async with asyncio.timeout(20):
            while (await refused(ada, rpc=RPCRequest(method="m")))[0] != 1404:
                pass
    assert metric(node, 'tidings_webhook_away{event="rpc"}') == 0
