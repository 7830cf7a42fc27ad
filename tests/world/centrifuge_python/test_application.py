"""centrifuge-python: an application's own answers, from a hub that is mounted in it and hosted by uvicorn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from centrifuge import DisconnectedContext, ReplyError, SubscribedContext, UnsubscribedContext
from tests.world.conftest import MOUNTED, hosted

from tidings.testing import AsgiApp

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture(scope="module")
def server() -> Iterator[AsgiApp]:
    with hosted() as server:
        yield server


@pytest.fixture(scope="module")
def websocket(server: AsgiApp) -> str:
    return server.websocket(MOUNTED)


async def test_rpc(arrive):
    """A call reaches the function of its name with the decoded request, and its answer comes back."""
    ada = await arrive("ada")
    assert await ada.rpc("add", {"left": 2, "right": 40}) == 42
    await ada.subscribe("plain:here")
    assert await ada.rpc("whoami", None) == {
        "user": "ada",
        "client": ada.client.client_id,
        "channels": ["#ada", "plain:here"],
        "request": None,
    }


@pytest.mark.parametrize(
    ("method", "code", "sentence"),
    [
        ("add", 107, "left"),
        ("multiply", 104, "method not found"),
        ("order", 410, "sold out"),
        ("fail", 100, "internal server error"),
    ],
)
async def test_rpc_that_fails(arrive, method, code, sentence):
    """Each failure has its code: a request that does not fit, no such method, the application's own, any other."""
    ada = await arrive("ada")
    with pytest.raises(ReplyError, match=sentence) as failure:
        await ada.rpc(method, {"left": "two", "right": 40})
    assert failure.value.code == code
    assert await ada.rpc("add", {"left": 1, "right": 1}) == 2


async def test_handler_ends_the_connection(arrive):
    """A handler may end the connection with a code of its own, and the client stays away."""
    ada = await arrive("ada")
    with pytest.raises(Exception, match="disconnect"):
        await ada.rpc("leave", None)
    ended = await ada.journal.skip_to(DisconnectedContext)
    assert (ended.code, ended.reason) == (4501, "as you wish")


async def test_handler_decides_about_subscriptions(arrive):
    """Who may listen is the application's decision, and so is what a subscriber is handed."""
    ada = await arrive("ada")
    channel = await ada.try_to_subscribe("orders:42", data=ada.encoding.encode("please"))
    subscribed = await channel.next(SubscribedContext)
    assert ada.encoding.decode(subscribed.data) == {"order": 42, "asked": "please"}
    refused = await ada.try_to_subscribe("orders:1000")
    assert (await refused.next(UnsubscribedContext)).code == 103


async def test_handler_decides_about_publications(arrive):
    """What a client publishes is published as the application puts it."""
    ada = await arrive("ada")
    channel = await ada.subscribe("orders:42")
    await channel.publish("hurry")
    assert (await channel.publication()).data == {"order": 42, "by": "ada", "said": "hurry"}
