"""The client of the Centrifuge protocol, in both encodings, against a server in its own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.world.backend import Backend, token
from tests.world.settings import KEPT, SETTINGS

from tidings.testing.clients import Client, ConversationError, Direction, Encoding, Frame, Position, ReplyError
from tidings.testing.services import AsgiApp, TidingsNode
from tidings.wire.centrifuge.messages import Command

pytestmark = [pytest.mark.world, pytest.mark.L3]

ROOT = Path(__file__).parents[4]
SHORT = 0.03

NAMESPACES = {
    **SETTINGS["channels"]["namespaces"],
    "bytes": {
        "allow_subscribe_for_client": True,
        "allow_publish_for_subscriber": True,
        "publication_data_format": "binary",
    },
    "pushed": KEPT | {"force_recovery": True, "force_push_join_leave": True, "join_leave": True},
}


@pytest.fixture(scope="module")
def node() -> Iterator[TidingsNode]:
    with TidingsNode({**SETTINGS, "channels": {"namespaces": NAMESPACES}}) as node:
        yield node


@pytest.fixture(scope="module")
def application() -> Iterator[AsgiApp]:
    options = ["--ws", "tidings:WebSocketProtocol"]
    with AsgiApp("tests.world.application:app", folder=ROOT, options=options) as application:
        yield application


@pytest.fixture
def backend(node: TidingsNode) -> Iterator[Backend]:
    with Backend(node.url) as backend:
        yield backend


@pytest.fixture(params=Encoding)
def encoding(request: pytest.FixtureRequest) -> Encoding:
    found: Encoding = request.param
    return found


@pytest.fixture
def channel(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """A channel of a namespace that no other test uses."""
    name = "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
    return lambda namespace: f"{namespace}:{name}"


@pytest.fixture
async def ada(node: TidingsNode, encoding: Encoding) -> AsyncIterator[Client]:
    async with Client(node.websocket, token=token("ada"), name="ada", encoding=encoding) as client:
        yield client


@pytest.fixture
async def bob(node: TidingsNode, encoding: Encoding) -> AsyncIterator[Client]:
    async with Client(node.websocket, token=token("bob"), name="bob", encoding=encoding) as client:
        yield client


class TestComing:
    async def test_the_server_lets_it_in(self, ada: Client, encoding: Encoding) -> None:
        assert ada.id
        assert ada.connected.pong
        assert ada.subprotocol == {"json": "", "protobuf": "centrifuge-protobuf"}[encoding]

    async def test_a_bad_token_is_a_close_code(self, node: TidingsNode, encoding: Encoding) -> None:
        client = Client(node.websocket, token="none", encoding=encoding)
        with pytest.raises(ConversationError, match="while waiting for the answer to connect") as failure:
            await client.connect()
        assert failure.value.closing == client.closing == (3500, "invalid token")
        assert not client.is_open

    async def test_an_expired_token_is_an_error(self, node: TidingsNode, encoding: Encoding) -> None:
        client = Client(node.websocket, token=token("42", ttl=-60.0), encoding=encoding)
        with pytest.raises(ReplyError, match="The answer to connect is error 109: token expired") as failure:
            await client.connect()
        assert (failure.value.code, failure.value.temporary) == (109, False)
        assert not client.is_open

    async def test_a_token_may_be_made_when_it_is_needed(self, node: TidingsNode) -> None:
        users = iter(["1", "2"])
        async with Client(node.websocket, token=lambda: token(next(users))) as client:
            await client.reconnect()
            assert "#2" in client.subscriptions

    async def test_data_goes_both_ways(self, application: AsgiApp, encoding: Encoding) -> None:
        url = application.websocket("/realtime/connection/websocket")
        async with Client(url, token=token("42"), data={"from": "here"}, encoding=encoding) as client:
            assert client.data is None
            assert (await client.rpc("whoami", "?"))["user"] == "42"

    async def test_the_server_ends_the_connection(self, ada: Client, backend: Backend) -> None:
        backend.disconnect("ada", 4500, "enough")
        assert await ada.expect_closed() == (4500, "enough")

    async def test_pings_are_answered(self, encoding: Encoding) -> None:
        """Unless the test wants to see what happens to who does not."""
        settings = {**SETTINGS, "client": {"ping_interval": 0.4, "pong_timeout": 0.2}}
        with TidingsNode(settings) as node:
            silent = Client(node.websocket, token=token("1"), encoding=encoding, answers_pings=False)
            async with Client(node.websocket, token=token("2"), encoding=encoding) as good, silent:
                assert await silent.expect_closed() == (3012, "no pong")
                assert good.is_open
                pongs = [frame for frame in good.frames if frame.content == Command()]
                assert len(pongs) == good.pings >= 1


class TestChannels:
    async def test_publications_come_in_order(self, ada: Client, bob: Client, channel: Callable[[str], str]) -> None:
        """Hundreds, each with its place."""
        chat = channel("chat")
        await bob.subscribe(chat)
        there = await ada.subscribe(chat)
        for number in range(300):
            await bob.publish(chat, {"number": number})
        heard = await there.collect(300)
        assert [one.data["number"] for one in heard] == list(range(300))
        assert {one.info.user for one in heard if one.info} == {"bob"}
        await there.expect_nothing(within=SHORT)

    async def test_offset_and_epoch(self, ada: Client, backend: Backend, channel: Callable[[str], str]) -> None:
        kept = channel("kept")
        news = await ada.subscribe(kept, recoverable=True)
        backend.publish(kept, "x", tags={"kind": "test"})
        heard = await news.receive()
        assert (heard.offset, heard.epoch, heard.tags) == (1, news.result.epoch, {"kind": "test"})
        assert heard.time > 1e9
        assert news.position == heard.position

    async def test_what_is_read_in_a_subscription_is_read(self, ada: Client, channel: Callable[[str], str]) -> None:
        """The client itself reads what no subscription has read, of all channels."""
        one, other = channel("chat") + "1", channel("chat") + "2"
        first = await ada.subscribe(one)
        await ada.subscribe(other)
        for name in (one, other, one):
            await ada.publish(name, name)
        await first.receive()
        assert [heard.channel for heard in await ada.collect(2)] == [other, one]
        await ada.expect_nothing(within=SHORT)
        await first.expect_nothing(within=SHORT)
        assert len(first.publications) == 2
        assert len(ada.received) == 3

    async def test_a_refusal_is_an_error(self, ada: Client, channel: Callable[[str], str]) -> None:
        with pytest.raises(ReplyError, match="The answer to subscribe is error 103: permission denied") as failure:
            await ada.subscribe(channel("shut"))
        assert failure.value.code == 103
        assert channel("shut") not in ada.subscriptions

    async def test_a_token_lets_in(self, ada: Client, channel: Callable[[str], str]) -> None:
        shut = channel("shut")
        subscription = await ada.subscribe(shut, token=token("ada", channel=shut))
        assert subscription.result.ttl > 0
        refreshed = await ada.sub_refresh(subscription, token("ada", channel=shut, ttl=7200.0))
        assert refreshed.ttl > subscription.result.ttl

    async def test_joins_and_leaves(self, ada: Client, bob: Client, channel: Callable[[str], str]) -> None:
        chat = channel("chat")
        here = await ada.subscribe(chat, join_leave=True)
        await bob.subscribe(chat)
        joined = await here.joins.receive_until(lambda info: info.user == "bob")
        assert joined.client == bob.id
        await bob.unsubscribe(chat)
        assert await here.leaves.receive() == joined
        await here.joins.expect_nothing(within=SHORT)

    async def test_presence(self, ada: Client, bob: Client, channel: Callable[[str], str]) -> None:
        chat = channel("chat")
        await ada.subscribe(chat)
        await bob.subscribe(chat)
        present = await ada.presence(chat)
        assert {client: info.user for client, info in present.items()} == {ada.id: "ada", bob.id: "bob"}
        stats = await ada.presence_stats(chat)
        assert (stats.num_clients, stats.num_users) == (2, 2)

    async def test_history(self, ada: Client, backend: Backend, channel: Callable[[str], str]) -> None:
        kept = channel("kept")
        await ada.subscribe(kept)
        backend.publish_all(kept, range(5))
        whole = await ada.history(kept)
        assert [one.data for one in whole.publications] == [0, 1, 2, 3, 4]
        part = await ada.history(kept, since=Position(2, whole.position.epoch), limit=2)
        assert [one.offset for one in part.publications] == [3, 4]
        last = await ada.history(kept, reverse=True, limit=1)
        assert [one.offset for one in last.publications] == [5]
        assert (await ada.history(kept, limit=0)).publications == ()
        assert whole.position == part.position == Position(5, whole.publications[0].epoch)

    async def test_unsubscribe(self, ada: Client, bob: Client, channel: Callable[[str], str]) -> None:
        chat = channel("chat")
        there, here = await ada.subscribe(chat), await bob.subscribe(chat)
        await ada.unsubscribe(there)
        await bob.publish(chat, "x")
        await here.receive()
        await there.expect_nothing(within=SHORT)
        assert (there.is_active, there.ending) == (False, None)

    async def test_the_server_ends_a_subscription(
        self, ada: Client, backend: Backend, channel: Callable[[str], str]
    ) -> None:
        subscription = await ada.subscribe(channel("plain"))
        backend.call("unsubscribe", user="ada", channel=channel("plain"))
        assert (await subscription.expect_unsubscribed()).code == 2000
        assert not subscription.is_active

    async def test_binary_data(self, node: TidingsNode, channel: Callable[[str], str]) -> None:
        async with Client(node.websocket, token=token("1"), encoding="protobuf") as client:
            here = await client.subscribe(channel("bytes"))
            await client.publish(channel("bytes"), b"\x00\xff")
            assert (await here.receive()).data == b"\x00\xff"


class TestRecovery:
    async def test_what_was_missed_is_recovered(
        self, ada: Client, backend: Backend, channel: Callable[[str], str]
    ) -> None:
        """In order, once, and before what comes later; the subscription is the same object."""
        kept = channel("kept")
        news = await ada.subscribe(kept, recoverable=True)
        backend.publish_all(kept, range(10))
        await news.collect(10)
        ada.drop()
        await ada.expect_closed()
        backend.publish_all(kept, range(10, 30))
        await ada.reconnect()
        assert news.recovered
        backend.publish(kept, 30)
        heard = await news.collect(21)
        assert [(one.data, one.recovered) for one in heard] == [(n, n < 30) for n in range(10, 31)]
        assert [one.offset for one in news.publications] == list(range(1, 32))
        await news.expect_nothing(within=SHORT)

    async def test_a_loss_is_told(self, ada: Client, backend: Backend, channel: Callable[[str], str]) -> None:
        brief = channel("brief")
        news = await ada.subscribe(brief)
        await ada.close()
        backend.publish_all(brief, range(10))
        await ada.reconnect()
        assert news.result.was_recovering
        assert not news.recovered
        assert news.position.offset == 10
        await news.expect_nothing(within=SHORT)

    async def test_since_a_position(self, ada: Client, backend: Backend, channel: Callable[[str], str]) -> None:
        kept = channel("kept")
        backend.publish_all(kept, range(5))
        before = await ada.subscribe(kept, recoverable=True)
        await ada.unsubscribe(kept)
        news = await ada.subscribe(kept, since=Position(3, before.position.epoch), recoverable=True)
        assert [one.data for one in await news.collect(2)] == [3, 4]

    async def test_server_side_subscriptions_recover(
        self, node: TidingsNode, encoding: Encoding, backend: Backend, channel: Callable[[str], str]
    ) -> None:
        """They come with the connect, and their positions are reported with it."""
        pushed = channel("pushed")
        async with Client(node.websocket, token=token("7", channels=[pushed]), encoding=encoding) as client:
            mine = client.subscriptions[pushed]
            assert mine.is_server_side
            backend.publish(pushed, 1)
            assert (await mine.receive()).data == 1
            await client.close()
            backend.publish(pushed, 2)
            await client.reconnect()
            assert client.subscriptions[pushed] is mine
            assert mine.recovered
            assert [(one.data, one.offset) for one in await mine.collect(1)] == [(2, 2)]

    async def test_the_server_begins_a_subscription(
        self, ada: Client, backend: Backend, channel: Callable[[str], str]
    ) -> None:
        plain = channel("plain")
        waiting = asyncio.create_task(ada.subscription(plain))
        await asyncio.to_thread(backend.call, "subscribe", user="ada", channel=plain)
        mine = await waiting
        backend.publish(plain, "x")
        assert (await mine.receive()).data == "x"

    async def test_a_subscription_goes_on_as_long_as_its_connection(
        self, ada: Client, channel: Callable[[str], str]
    ) -> None:
        """Until it is taken up again, also while another connection is there."""
        subscription = await ada.subscribe(channel("chat"))
        assert subscription.is_active
        ada.drop()
        await ada.expect_closed()
        assert not subscription.is_active
        await ada.connect()
        assert not subscription.is_active
        await ada.resubscribe(subscription)
        assert subscription.is_active

    async def test_what_this_client_ended_is_not_taken_up(self, ada: Client, channel: Callable[[str], str]) -> None:
        subscription = await ada.subscribe(channel("chat"))
        await ada.unsubscribe(subscription)
        await ada.reconnect()
        assert not subscription.is_active

    async def test_tokens_are_refreshed(self, ada: Client) -> None:
        assert ada.connected.expires
        assert (await ada.refresh(token("ada", ttl=7200.0))).ttl > ada.connected.ttl


class TestApplication:
    @pytest.fixture
    async def client(self, application: AsgiApp, encoding: Encoding) -> AsyncIterator[Client]:
        url = application.websocket("/realtime/connection/websocket")
        async with Client(url, token=token("42"), encoding=encoding) as client:
            yield client

    async def test_rpc(self, client: Client) -> None:
        assert await client.rpc("add", {"left": 1, "right": 2}) == 3
        with pytest.raises(ReplyError, match="error 410: sold out"):
            await client.rpc("order")

    async def test_messages(self, client: Client) -> None:
        await client.send({"text": "hello"})
        assert await client.messages.receive() == {"echo": {"text": "hello"}}

    async def test_the_application_ends_the_connection(self, client: Client) -> None:
        with pytest.raises(ConversationError, match="while waiting for the answer to rpc") as failure:
            await client.rpc("leave")
        assert failure.value.closing == (4501, "as you wish")


async def test_frames_are_the_protocols_own_messages(node: TidingsNode, encoding: Encoding) -> None:
    """An observer hears commands and replies, one by one, whatever came in one message."""
    heard: list[Frame] = []
    async with Client(node.websocket, token=token("1"), encoding=encoding, on_frame=heard.append) as client:
        await client.subscribe("plain:observed")
    sent = [frame.content for frame in heard if frame.direction is Direction.SENT]
    received = [frame.content for frame in heard if frame.direction is Direction.RECEIVED]
    assert [(command.id, command.subscribe is not None) for command in sent] == [(1, False), (2, True)]
    assert [reply.id for reply in received] == [1, 2]
    assert "eyJ" in client.transcript
    assert token("1").split(".")[1] not in client.transcript
