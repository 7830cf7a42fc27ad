"""PyPI `cent`, a client library of Centrifugo's HTTP API, used as it is: every method, sync and async."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import cent
import pytest
from tests.world.backend import token
from tests.world.command import PATIENCE
from tests.world.settings import KEY

from tidings.testing import PlainClient, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

Call = Callable[[Any], Any]


class Visitor:
    """A connected user, without an SDK."""

    def __init__(self, client: PlainClient) -> None:
        self._client = client
        self.client = ""

    async def arrive(self, user: str) -> None:
        await self._client.send({"id": 1, "connect": {"token": token(user)}})
        self.client = (await self._client.receive())["connect"]["client"]

    async def push(self) -> Any:
        """The next thing that it is told."""
        return (await self._client.receive())["push"]

    async def end(self) -> tuple[int, str]:
        """How the server closes the connection; whatever comes before is skipped."""
        closing = await self._client.expect_closed()
        return closing.code, closing.reason


@pytest.fixture
def visit(websocket: str) -> Callable[[str], AbstractAsyncContextManager[Visitor]]:
    @asynccontextmanager
    async def visit(user: str) -> AsyncIterator[Visitor]:
        async with PlainClient(websocket, lines=True, name=user, patience=PATIENCE) as client:
            visitor = Visitor(client)
            await visitor.arrive(user)
            yield visitor

    return visit


@pytest.fixture(params=["sync", "async"])
async def call(request: pytest.FixtureRequest, server: TidingsNode) -> AsyncIterator[Call]:
    """Makes a request with one of cent's clients, by the client's method of the request's name."""
    url = f"{server.url}/api"
    if request.param == "async":
        async with cent.AsyncClient(url, KEY) as client:
            yield lambda request: getattr(client, request.api_method)(request)
    else:
        with cent.Client(url, KEY) as client:
            yield lambda request: asyncio.to_thread(getattr(client, request.api_method), request)


async def test_publish(call, visit, unique):
    """What is published arrives; the answer has no position where nothing is kept."""
    channel = f"plain:{unique}"
    async with visit(unique) as visitor:
        await call(cent.SubscribeRequest(user=unique, channel=channel))
        assert await visitor.push() == {"channel": channel, "subscribe": {}}
        result = await call(cent.PublishRequest(channel=channel, data={"text": "é"}, tags={"lang": "fr"}))
        assert (result.offset, result.epoch) == (0, "")
        publication = (await visitor.push())["pub"]
        assert (publication["data"], publication["tags"]) == ({"text": "é"}, {"lang": "fr"})


async def test_publish_with_history(call, unique):
    """Positions, and a repeated call that publishes once."""
    channel = f"kept:{unique}"
    request = cent.PublishRequest(channel=channel, data=1, idempotency_key=unique)
    first, again = await call(request), await call(request)
    assert (first.offset, first.epoch) == (again.offset, again.epoch)
    assert first.offset == 1
    skipped = await call(cent.PublishRequest(channel=channel, data=2, skip_history=True))
    assert (skipped.offset, skipped.epoch) == (0, "")


async def test_broadcast(call, unique):
    """A response for every channel, in order, failed ones among them."""
    channels = [f"kept:{unique}", f"plain:{unique}", f"nowhere:{unique}"]
    result = await call(cent.BroadcastRequest(channels=channels, data={"text": "hello"}))
    kept, plain, nowhere = result.responses
    assert (kept.result.offset, plain.result.offset) == (1, 0)
    assert (nowhere.error.code, nowhere.error.message) == (102, "unknown channel")


async def test_subscribe_and_unsubscribe(call, visit, unique):
    """A user's connection is subscribed with data and info, and unsubscribed again."""
    channel = f"chat:{unique}"
    async with visit(unique) as visitor:
        request = cent.SubscribeRequest(
            user=unique,
            channel=channel,
            client=visitor.client,
            data={"welcome": True},
            info={"role": "guest"},
            override=cent.ChannelOptionsOverride(presence=cent.BoolValue(value=True)),
        )
        await call(request)
        assert await visitor.push() == {"channel": channel, "subscribe": {"data": {"welcome": True}}}
        present = (await call(cent.PresenceRequest(channel=channel))).presence
        assert present[visitor.client].chan_info == {"role": "guest"}
        await call(cent.UnsubscribeRequest(user=unique, channel=channel))
        unsubscribe = {"code": 2000, "reason": "server unsubscribe"}
        assert await visitor.push() == {"channel": channel, "unsubscribe": unsubscribe}


async def test_subscribe_and_recover(call, visit, unique):
    """A subscription that begins at a position brings what was published since."""
    channel = f"kept:{unique}"
    first = await call(cent.PublishRequest(channel=channel, data=1))
    await call(cent.PublishRequest(channel=channel, data=2))
    since = cent.StreamPosition(offset=first.offset, epoch=first.epoch)
    async with visit(unique) as visitor:
        override = cent.ChannelOptionsOverride(force_recovery=cent.BoolValue(value=True))
        await call(cent.SubscribeRequest(user=unique, channel=channel, recover_since=since, override=override))
        assert (await visitor.push())["subscribe"]["recoverable"]
        assert (await visitor.push())["pub"]["data"] == 2


async def test_disconnect(call, visit, unique):
    """With the code of the application, and sparing whom it says."""
    async with visit(unique) as leaving, visit(unique) as staying:
        why = cent.Disconnect(code=4501, reason="bye")
        await call(cent.DisconnectRequest(user=unique, disconnect=why, whitelist=[staying.client]))
        assert await leaving.end() == (4501, "bye")
        await call(cent.DisconnectRequest(user=unique))
        assert await staying.end() == (3503, "force disconnect")


async def test_refresh(call, visit, unique):
    """A connection lives longer, until it is told that it has expired."""
    async with visit(unique) as visitor:
        await call(cent.RefreshRequest(user=unique, expire_at=int(time.time()) + 60))
        refresh = (await visitor.push())["refresh"]
        assert refresh["expires"]
        assert 0 < refresh["ttl"] <= 61
        await call(cent.RefreshRequest(user=unique, expired=True))
        assert await visitor.end() == (3005, "connection expired")


async def test_presence(call, visit, unique):
    """Who is in a channel, and how many."""
    channel = f"chat:{unique}"
    async with visit(unique) as visitor:
        await call(cent.SubscribeRequest(user=unique, channel=channel))
        present = (await call(cent.PresenceRequest(channel=channel))).presence
        assert [(client, info.user) for client, info in present.items()] == [(visitor.client, unique)]
        stats = await call(cent.PresenceStatsRequest(channel=channel))
        assert (stats.num_clients, stats.num_users) == (1, 1)


async def test_history(call, unique):
    """Publications by position, forwards and backwards, until they are removed."""
    channel = f"kept:{unique}"
    for number in (1, 2, 3):
        position = await call(cent.PublishRequest(channel=channel, data={"number": number}))
    since = cent.StreamPosition(offset=1, epoch=position.epoch)
    page = await call(cent.HistoryRequest(channel=channel, limit=-1, since=since))
    assert [(each.offset, each.data) for each in page.publications] == [(2, {"number": 2}), (3, {"number": 3})]
    assert (page.offset, page.epoch) == (3, position.epoch)
    newest = await call(cent.HistoryRequest(channel=channel, limit=1, reverse=True))
    assert [each.offset for each in newest.publications] == [3]
    await call(cent.HistoryRemoveRequest(channel=channel))
    after = await call(cent.HistoryRequest(channel=channel, limit=-1))
    assert (after.publications, after.offset) == ([], 3)


async def test_history_of_binary_data(call, unique):
    """Bytes are published in base64, and told so."""
    encoded = base64.b64encode(b"\x00\xff").decode()
    await call(cent.PublishRequest(channel=f"kept:{unique}", data=None, b64data=encoded))
    (publication,) = (await call(cent.HistoryRequest(channel=f"kept:{unique}", limit=1))).publications
    assert (publication.data, publication.b64data) == (None, encoded)


async def test_channels(call, visit, unique):
    """Those that somebody is subscribed to."""
    async with visit(unique):
        for name in ("a", "b"):
            await call(cent.SubscribeRequest(user=unique, channel=f"plain:{unique}{name}"))
        found = (await call(cent.ChannelsRequest(pattern=f"plain:{unique}*"))).channels
        assert {channel: info.num_clients for channel, info in found.items()} == {
            f"plain:{unique}a": 1,
            f"plain:{unique}b": 1,
        }


async def test_info(call, visit, unique):
    """One node, and what it carries."""
    async with visit(unique):
        (node,) = (await call(cent.InfoRequest())).nodes
    assert node.uid
    assert node.name
    assert node.version
    assert node.num_clients >= 1
    assert node.num_users >= 1


@pytest.mark.parametrize("parallel", [None, True])
async def test_batch(call, unique, parallel):
    """Many requests in one, with their results in order."""
    channel = f"kept:{unique}"
    requests = [cent.PublishRequest(channel=channel, data=number) for number in range(5)]
    batch = cent.BatchRequest(requests=[*requests, cent.ChannelsRequest(), cent.InfoRequest()], parallel=parallel)
    *published, channels, info = (await call(batch)).replies
    assert sorted(result.offset for result in published) == [1, 2, 3, 4, 5]
    assert isinstance(channels, cent.ChannelsResult)
    assert len(info.nodes) == 1


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (cent.PublishRequest(channel="nowhere:a", data=1), 102),
        (cent.PublishRequest(channel="", data=1), 107),
        (cent.PresenceRequest(channel="plain:a"), 108),
        (cent.HistoryRequest(channel="kept:a", since=cent.StreamPosition(offset=1, epoch="gone")), 112),
        (cent.DisconnectRequest(user="42", disconnect=cent.Disconnect(code=1000)), 107),
    ],
    ids=lambda value: getattr(value, "api_method", value),
)
async def test_errors(call, request_, code):
    """They reach the caller with their codes."""
    with pytest.raises(cent.CentApiResponseError) as caught:
        await call(request_)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "request_", [cent.ConnectionsRequest(user="42", expression=""), cent.GetUserStatusRequest(users=["42"])]
)
async def test_methods_that_are_not_there(call, request_):
    """What the server does not have is a 404."""
    with pytest.raises(cent.CentTransportError) as caught:
        await call(request_)
    assert caught.value.status_code == 404


async def test_a_wrong_key(server):
    """Nobody is let in with it."""
    async with cent.AsyncClient(f"{server.url}/api", "wrong") as client:
        with pytest.raises(cent.CentUnauthorizedError):
            await client.info(cent.InfoRequest())
