"""What a client library that nobody here wrote makes of an endpoint's decisions: centrifuge-python."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from centrifuge import CentrifugeError, ConnectedContext, DisconnectedContext, ReplyError, UnsubscribedContext
from tests.world.centrifuge_python.conftest import everything_is_closed
from tests.world.centrifuge_python.listener import Encoding, Listener
from tests.world.webhooks.office import ASKED, Receiver, settings

from tidings.testing import TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture(scope="module")
def node(office: Receiver) -> Iterator[TidingsNode]:
    with TidingsNode(settings(office, *ASKED)) as node:
        yield node


@pytest.fixture(params=Encoding, ids=lambda encoding: encoding.value)
async def ada(request: pytest.FixtureRequest, node: TidingsNode, office: Receiver) -> AsyncIterator[Listener]:
    office.forget()
    listener = Listener(node.websocket, request.param, None)
    yield listener
    await listener.client.disconnect()
    await everything_is_closed()


async def test_decisions(ada: Listener, office: Receiver) -> None:
    """The SDK knows codes, data and ends as the endpoint means them."""
    office.answers("connect", {"result": {"user": "42", "data": {"motd": "hi"}}})
    office.answers("subscribe", {"result": {}}, {"error": {"code": 1403, "message": "not you"}})
    office.answers("publish", {"result": {"data": {"better": 1}}})
    office.answers("rpc", {"result": {"data": {"sum": 3}}}, {"error": {"code": 1400, "message": "no"}})
    connected = await ada.connect()
    assert ada.encoding.decode(connected.data) == {"motd": "hi"}
    channel = await ada.subscribe("app:a")
    await channel.publish({"worse": 1})
    assert (await channel.publication()).data == {"better": 1}
    refused = await ada.try_to_subscribe("app:b")
    assert (await refused.next(UnsubscribedContext)).code == 1403
    assert await ada.rpc("add", [1, 2]) == {"sum": 3}
    with pytest.raises(ReplyError) as caught:
        await ada.rpc("add", [1, 2])
    assert (caught.value.code, caught.value.message, caught.value.temporary) == (1400, "no", False)
    office.answers("rpc", {"disconnect": {"code": 4500, "reason": "enough"}})
    with pytest.raises(CentrifugeError):
        await ada.rpc("add", [])
    ended = await ada.journal.skip_to(DisconnectedContext)
    assert (ended.code, ended.reason) == (4500, "enough")


async def test_a_connect_that_fails_is_tried_again(ada: Listener, office: Receiver) -> None:
    """An endpoint that answers nonsense is nothing that a client gives up over."""
    office.plan("connect", {"raw": "<html>"}, {"status": 500}, {"json": {"result": {"user": "42"}}})
    await ada.try_to_connect()
    await ada.journal.skip_to(ConnectedContext)
    assert len(office.calls("connect")) == 3


async def test_a_connect_that_is_refused_is_not(ada: Listener, office: Receiver) -> None:
    office.answers("connect", {"disconnect": {"code": 4501, "reason": "log in first"}})
    await ada.try_to_connect()
    ended = await ada.journal.skip_to(DisconnectedContext)
    assert (ended.code, ended.reason) == (4501, "log in first")
