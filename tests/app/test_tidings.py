"""The hub as an object: its settings, its life, and what a back end does with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import Message
from tests.app.conftest import SETTINGS, Gates, OpenHub
from tests.gateway.wire import SECRET, Caller, turn, until
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect

from tidings import Client, SubscribeReply, Tidings, WebSocketProtocol
from tidings.app.settings import Settings
from tidings.brokers.memory import MemoryBroker
from tidings.clock import ManualClock
from tidings.errors import (
    BadRequest,
    BrokerUnavailable,
    LimitExceeded,
    NotAvailable,
    SettingsError,
    UnknownChannel,
    UnrecoverablePosition,
)
from tidings.gateway.tokens import mint
from tidings.model import StreamPosition

pytestmark = pytest.mark.shell

NOWHERE = StreamPosition()


async def joined(hub: Tidings, user: str = "ada", *channels: str) -> Caller:
    """A client that is connected and subscribed."""
    caller = Caller(hub.node)
    assert "connect" in await caller.connect(user)
    for channel in channels:
        assert "subscribe" in await caller.subscribe(channel)
    return caller


class TestSettings:
    def test_a_mapping(self) -> None:
        """Shaped as the file is; what is not given has its default."""
        hub = Tidings(settings={"client": {"channel_limit": 3}})
        assert (hub.settings.client.channel_limit, hub.settings.client.history_limit) == (3, 300)

    def test_a_broker_beside_ready_made_settings(self) -> None:
        """One of the two would have to be ignored."""
        with pytest.raises(TypeError, match="not both"):
            Tidings("memory://", settings=Settings())

    def test_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "hub.toml"
        file.write_text("[client]\nchannel_limit = 3\n")
        assert Tidings(settings=file).settings.client.channel_limit == 3

    def test_ready_made(self) -> None:
        settings = Settings.of({"client": {"channel_limit": 3}})
        assert Tidings(settings=settings).settings is settings

    def test_without_any_they_are_read_as_the_server_reads_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """From ./tidings.toml, below the environment."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TIDINGS_CLIENT__HISTORY_LIMIT", "7")
        (tmp_path / "tidings.toml").write_text("[client]\nchannel_limit = 3\nhistory_limit = 8\n")
        client = Tidings().settings.client
        assert (client.channel_limit, client.history_limit) == (3, 7)

    @pytest.mark.parametrize("settings", [None, {}, {"broker": {"url": "memory://"}}])
    def test_the_broker_is_named_first(self, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It wins over the settings. What this version does not have is refused at once."""
        monkeypatch.chdir(tmp_path)
        assert Tidings("memory://", settings=settings).settings.broker.url == "memory://"
        with pytest.raises(SettingsError, match="memory://"):
            Tidings("kafka://localhost", settings=settings)

    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"client": {"channel_limitt": 3}}, "channel_limit"),
            ({"clients": {}}, "client"),
            ({"client": {"channel_limit": "many"}}, "channel_limit"),
            ({"channels": {"namespaces": {"chat": {"history_size": 5}}}}, "history_ttl"),
        ],
    )
    def test_what_is_wrong_is_a_sentence(self, settings: Any, sentence: str) -> None:
        """One that names the key that was meant."""
        with pytest.raises(SettingsError) as raised:
            Tidings(settings=settings)
        assert sentence in raised.value.message


class TestNamespaces:
    async def test_they_are_set_like_in_the_file(self, hub: Tidings) -> None:
        hub.namespace("chat", history_size=5, history_ttl=60.0, allow_subscribe_for_client=True)
        ada = await joined(hub, "ada", "chat:lobby")
        assert (await hub.publish("chat:lobby", 1)).offset == 1
        await turn()
        assert ada.data("chat:lobby") == [1]

    @pytest.mark.parametrize(
        ("name", "options", "sentence"),
        [
            ("chat", {"presense": True}, "presence"),
            ("chat", {"history_size": "five"}, "history_size"),
            ("chat", {"force_recovery": True}, "history_size and history_ttl"),
            ("a", {}, "two or more letters"),
            ("a b", {}, "two or more letters"),
        ],
    )
    def test_what_is_wrong_is_a_sentence(self, name: str, options: dict[str, Any], sentence: str) -> None:
        with pytest.raises(SettingsError) as raised:
            Tidings(settings={}).namespace(name, **options)
        assert sentence in raised.value.message

    async def test_a_pattern_makes_its_namespace(self, open_hub: OpenHub) -> None:
        """With the options of channels without one."""
        hub = await open_hub(channels={"history_size": 3, "history_ttl": 60.0})
        with pytest.raises(UnknownChannel):
            await hub.publish("orders:42", 1)

        @hub.on_publish("orders:{order_id}")
        async def may_say(client: Client) -> bool:
            return True

        assert (await hub.publish("orders:42", 1)).offset == 1

    async def test_a_pattern_leaves_a_known_namespace_alone(self, hub: Tidings) -> None:
        """Whichever comes first; and a pattern for any namespace makes none."""

        @hub.on_subscribe("seen:{name}")
        @hub.on_subscribe("{namespace}:all")
        @hub.on_subscribe("later:{name}")
        async def may_listen(client: Client) -> bool:
            return True

        hub.namespace("later", presence=True)
        assert (await hub.presence("seen:x"), await hub.presence("later:x")) == ({}, {})
        with pytest.raises(UnknownChannel):
            await hub.publish("{namespace}:all", 1)

    @pytest.mark.parametrize("decorator", ["on_subscribe", "on_publish", "rpc"])
    def test_a_decorator_without_its_name_is_refused(self, decorator: str) -> None:
        """`@hub.rpc` would take the function for the name, and never call it."""

        async def function(client: Client) -> None: ...

        with pytest.raises(TypeError, match="is not a name; write @hub"):
            getattr(Tidings(settings={}), decorator)(function)

    def test_decorators_return_the_function(self) -> None:
        """It stays what it was, so it can be called, tested and decorated again."""

        async def function(client: Client) -> None: ...

        hub = Tidings(settings={})
        plain = [hub.on_connect, hub.on_message, hub.on_unsubscribe, hub.on_disconnect]
        for decorate in [*plain, hub.on_subscribe("a"), hub.on_publish("a"), hub.rpc("a")]:
            assert decorate(function) is function


class TestPublishing:
    async def test_it_reaches_who_is_subscribed(self, hub: Tidings) -> None:
        """Anything that JSON can say, bytes as they are, and tags beside it."""
        ada = await joined(hub, "ada", "open:x")
        assert await hub.publish("open:x", {"a": [1, None]}, tags={"k": "v"}) == NOWHERE
        assert await hub.publish("open:x", b'"encoded"') == NOWHERE
        await turn()
        first, second = (push["pub"] for push in ada.pushes)
        assert (first["data"], first["tags"], second["data"]) == ({"a": [1, None]}, {"k": "v"}, "encoded")

    async def test_the_position_is_returned(self, hub: Tidings) -> None:
        first, second = await hub.publish("kept:x", 1), await hub.publish("kept:x", 2)
        assert (first.offset, second.offset) == (1, 2)
        assert first.epoch == second.epoch != ""

    async def test_a_repeated_key_publishes_once(self, hub: Tidings) -> None:
        ada = await joined(hub, "ada", "open:x")
        first = await hub.publish("kept:x", 1, idempotency_key="k")
        assert await hub.publish("kept:x", 2, idempotency_key="k") == first
        for data in (1, 2):
            await hub.publish("open:x", data, idempotency_key="k")
        await turn()
        assert ada.data("open:x") == [1]

    async def test_history_may_be_skipped(self, hub: Tidings) -> None:
        await hub.subscribe("ada", "kept:x")
        await hub.publish("kept:x", 1)
        assert await hub.publish("kept:x", 2, skip_history=True) == NOWHERE
        assert [kept.data for kept in (await hub.history("kept:x")).publications] == [b"1"]

    async def test_to_many_channels(self, hub: Tidings) -> None:
        """In their order; the first failure stops it, and what came before stays published."""
        positions = await hub.broadcast(["kept:x", "open:x", "kept:x"], "hi", tags={"k": "v"})
        assert [position.offset for position in positions] == [1, 0, 2]
        with pytest.raises(UnknownChannel):
            await hub.broadcast(["kept:x", "nowhere:x", "kept:x"], "hi")
        kept = (await hub.history("kept:x")).publications
        assert [(publication.data, publication.tags) for publication in kept] == [
            (b'"hi"', {"k": "v"}),
            (b'"hi"', {"k": "v"}),
            (b'"hi"', {}),
        ]

    @pytest.mark.parametrize(
        ("channel", "data", "error"),
        [
            ("nowhere:x", 1, UnknownChannel),
            ("", 1, BadRequest),
            ("ä", 1, BadRequest),
            ("x" * 256, 1, BadRequest),
            ("open:x", object(), BadRequest),
            ("open:x", b"", BadRequest),
        ],
    )
    async def test_what_cannot_be_published(
        self, hub: Tidings, channel: str, data: object, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            await hub.publish(channel, data)


class TestReading:
    async def test_history(self, hub: Tidings) -> None:
        positions = [await hub.publish("kept:x", number) for number in range(5)]
        page = await hub.history("kept:x", since=positions[1], limit=2)
        assert ([kept.data for kept in page.publications], page.top) == ([b"2", b"3"], positions[-1])
        newest = await hub.history("kept:x", limit=1, reverse=True)
        assert [kept.offset for kept in newest.publications] == [5]
        with pytest.raises(UnrecoverablePosition):
            await hub.history("kept:x", since=StreamPosition(1, "another epoch"))

    async def test_presence(self, hub: Tidings) -> None:
        ada = await joined(hub, "ada", "seen:x")
        (present,) = (await hub.presence("seen:x")).items()
        assert (present[0], present[1].user) == (ada.connection.client_id, "ada")

    async def test_what_is_off_is_not_available(self, hub: Tidings) -> None:
        for read in (hub.history, hub.presence):
            with pytest.raises(NotAvailable):
                await read("open:x")
            with pytest.raises(UnknownChannel):
                await read("nowhere:x")


class TestUsers:
    async def test_subscribe(self, hub: Tidings) -> None:
        """All connections of the user, on the terms of the reply; who is subscribed already is left as it is."""
        first, second, bob = await joined(hub, "ada"), await joined(hub, "ada", "open:x"), await joined(hub, "bob")
        await hub.subscribe("ada", "open:x", SubscribeReply(data="welcome"))
        await hub.publish("open:x", 1)
        assert first.pushes[0] == {"channel": "open:x", "subscribe": {"data": "welcome"}}
        await turn()
        assert [caller.data("open:x") for caller in (first, second, bob)] == [[1], [1], []]
        assert [push for push in second.pushes if "subscribe" in push] == []

    async def test_subscribe_fails(self, open_hub: OpenHub) -> None:
        hub = await open_hub(client={"personal_channel": False, "channel_limit": 1})
        await joined(hub, "ada", "open:x")
        with pytest.raises(UnknownChannel):
            await hub.subscribe("ada", "nowhere:x")
        with pytest.raises(LimitExceeded):
            await hub.subscribe("ada", "open:y")
        await hub.subscribe("nobody", "open:y")

    async def test_unsubscribe(self, hub: Tidings) -> None:
        ada, bob = await joined(hub, "ada", "open:x", "open:y", "open:z"), await joined(hub, "bob", "open:x")
        await hub.unsubscribe("ada", "open:x")
        await hub.unsubscribe("ada", "open:never")
        assert ada.pushes == [{"channel": "open:x", "unsubscribe": {"code": 2000, "reason": "server unsubscribe"}}]
        await hub.unsubscribe("ada")
        assert [push["channel"] for push in ada.pushes] == ["open:x", "open:y", "open:z"]
        assert bob.pushes == []

    async def test_disconnect(self, hub: Tidings) -> None:
        callers = [await joined(hub, "ada"), await joined(hub, "ada"), await joined(hub, "bob")]
        await hub.disconnect("ada")
        assert [caller.wire.end for caller in callers] == [(3503, "force disconnect")] * 2 + [None]
        await hub.disconnect("bob", 4000, "later")
        assert callers[2].wire.end == (4000, "later")

    @pytest.mark.parametrize(("code", "reason"), [(1000, ""), (0, ""), (2999, ""), (5000, ""), (4000, "ä" * 62)])
    async def test_a_close_that_cannot_be_sent(self, hub: Tidings, code: int, reason: str) -> None:
        """Refused before anybody is disconnected."""
        ada = await joined(hub)
        with pytest.raises(ValueError, match=r"of a disconnect|a connection ends"):
            await hub.disconnect("ada", code, reason)
        assert ada.wire.end is None


async def lifespan(hub: Any) -> tuple[asyncio.Queue[Message], asyncio.Queue[Message], asyncio.Task[None]]:
    """What an ASGI server does with an application before the first request and after the last."""
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    outgoing: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    return incoming, outgoing, asyncio.create_task(hub(scope, incoming.get, outgoing.put))


class TestLife:
    async def test_starting_and_stopping_may_be_repeated(self) -> None:
        hub = Tidings(settings=SETTINGS)
        await hub.stop()
        await asyncio.gather(hub.start(), hub.start())
        await hub.start()
        assert (await hub.publish("kept:x", 1)).offset == 1
        await asyncio.gather(hub.stop(), hub.stop())
        await hub.stop()

    async def test_alone_it_tells_its_broker_nothing_of_its_connections(self) -> None:
        """Nobody could ask, and it would cost time and memory for each."""
        async with Tidings(settings=SETTINGS) as hub:
            await joined(hub, "ada")
            await turn()
            broker = hub._broker
            assert isinstance(broker, MemoryBroker) and broker.is_alone
            assert broker._backend.people.clients("ada", hub.node.clock.now()) == set()

    async def test_the_first_call_starts_it(self) -> None:
        """A back end need not think of it. What was never started is stopped at once."""
        for call in (lambda hub: hub.publish("kept:x", 1), lambda hub: hub.history("kept:x")):
            hub = Tidings(settings=SETTINGS)
            await call(hub)
            assert hub.node.is_started
            await hub.stop()

    async def test_after_its_end_it_says_so(self) -> None:
        """A load balancer sends nobody any more, and the process counts as alive."""
        hub = Tidings(settings=SETTINGS)
        async with hub:
            pass
        web = TestClient(hub)
        health, live = web.get("/health"), web.get("/health/live")
        assert (health.status_code, live.status_code) == (503, 200)
        assert health.json()["reason"] == "node: shutting down; broker: the broker is not running"

    async def test_it_does_not_start_again(self) -> None:
        async with Tidings(settings=SETTINGS) as hub:
            await hub.publish("open:x", 1)
        with pytest.raises(BrokerUnavailable) as raised:
            await hub.publish("open:x", 1)
        assert raised.value.temporary

    async def test_stopping_sends_everybody_away(self) -> None:
        async with Tidings(settings=SETTINGS) as hub:
            callers = [await joined(hub, "ada"), await joined(hub, "bob")]
        assert [caller.wire.end for caller in callers] == [(3001, "shutdown")] * 2

    async def test_it_is_a_part_of_the_application_that_it_is_mounted_in(self) -> None:
        """`lifespan=hub.lifespan`: started before the first request, and stopped with the application."""
        hub = Tidings(settings=SETTINGS)
        incoming, outgoing, task = await lifespan(Starlette(lifespan=hub.lifespan))
        await incoming.put({"type": "lifespan.startup"})
        assert await outgoing.get() == {"type": "lifespan.startup.complete"}
        assert hub.node.is_started
        ada = await joined(hub)
        await incoming.put({"type": "lifespan.shutdown"})
        assert await outgoing.get() == {"type": "lifespan.shutdown.complete"}
        assert ada.wire.end == (3001, "shutdown")
        await task

    async def test_it_may_be_the_whole_application(self) -> None:
        """`uvicorn main:hub`: its life is the server's, in the same way."""
        hub = Tidings(settings=SETTINGS)
        incoming, outgoing, task = await lifespan(hub)
        await incoming.put({"type": "lifespan.startup"})
        assert await outgoing.get() == {"type": "lifespan.startup.complete"}
        assert hub.node.is_started
        ada = await joined(hub)
        await incoming.put({"type": "lifespan.shutdown"})
        assert await outgoing.get() == {"type": "lifespan.shutdown.complete"}
        assert ada.wire.end == (3001, "shutdown")
        await task

    def test_the_first_request_starts_it(self) -> None:
        """Mounted in an application that does not know of its life."""
        hub = Tidings(settings={**SETTINGS, "client": {"insecure": True}})
        with (
            TestClient(Starlette(routes=[Mount("/realtime", hub)])) as http,
            http.websocket_connect("/realtime/connection/websocket") as websocket,
        ):
            websocket.send_text('{"id":1,"connect":{}}')
            websocket.send_text('{"id":2,"history":{"channel":"kept:x"}}')
            assert websocket.receive_json()["connect"]["ping"] == 25
            assert websocket.receive_json()["history"]["offset"] == 0
            http.portal.call(hub.stop)  # type: ignore[union-attr]

    def test_it_says_how_it_is(self) -> None:
        hub = Tidings(settings={})
        assert repr(hub) == f"<Tidings with <Node {hub.node.id}: 0 connections, 0 users>>"


class TestTwoHubs:
    async def test_they_do_not_disturb_each_other(self, open_hub: OpenHub) -> None:
        """Channels, users, handlers and namespaces are each hub's own, and so is the end."""
        one, two = await open_hub(), await open_hub()
        one.namespace("only", allow_subscribe_for_client=True)

        @one.rpc("who")
        async def who(client: Client) -> int:
            return 1

        ada, also_ada = await joined(one, "ada", "open:x", "only:x"), await joined(two, "ada", "open:x")
        assert (await also_ada.subscribe("only:x"))["error"]["code"] == 102
        assert (await also_ada.rpc("who"))["error"]["code"] == 108
        assert (await one.publish("kept:x", 1)).offset == (await two.publish("kept:x", 1)).offset == 1
        await one.publish("open:x", "one")
        await turn()
        assert (ada.data("open:x"), also_ada.data("open:x")) == (["one"], [])
        await one.stop()
        assert ada.wire.end == (3001, "shutdown")
        assert also_ada.wire.end is None
        await two.publish("open:x", "two")
        await turn()
        assert also_ada.data("open:x") == ["two"]


class TestSlowHandlers:
    @pytest.mark.parametrize(
        "command",
        [
            {"rpc": {"method": "slow"}},
            {"subscribe": {"channel": "slow:x"}},
            {"publish": {"channel": "slow:x", "data": 1}},
            {"send": {"data": 1}},
        ],
    )
    async def test_it_delays_neither_pongs_nor_publications(
        self, hub: Tidings, gates: Gates, clock: ManualClock, command: dict[str, Any]
    ) -> None:
        """Thirty seconds in a handler: the client is pinged, its pong counts, and what it listens to comes."""

        async def slow(client: Client) -> bool:
            await gates.wait("slow")
            return True

        hub.rpc("slow")(slow)
        hub.on_subscribe("slow:{name}")(slow)
        hub.on_publish("slow:{name}")(slow)
        hub.on_message(slow)
        ada, bob = await joined(hub, "ada", "open:x"), await joined(hub, "bob", "open:x")
        number = ada.begin(command)
        await until(lambda: gates.waiting)
        for _ in range(3):
            clock.advance(25.0)
            ada.connection.wake()
            assert ada.heard[-1] == {}
            ada.say("{}")
            clock.advance(5.0)
            ada.connection.wake()
        await hub.publish("open:x", "meanwhile")
        await turn()
        assert ada.data("open:x") == ["meanwhile"]
        assert (await bob.rpc("other"))["error"]["code"] == 104
        later = ada.begin({"unsubscribe": {"channel": "open:x"}})
        assert ada.heard[-1] != {"id": later, "unsubscribe": {}}
        gates.open("slow")
        await ada.reply(later)
        if "send" not in command:
            assert "error" not in await ada.reply(number)
        assert ada.wire.end is None

    async def test_a_client_that_does_not_answer_is_found_all_the_same(
        self, hub: Tidings, gates: Gates, clock: ManualClock
    ) -> None:
        """The handler's answer comes too late for it, and harms nobody."""

        @hub.rpc("slow")
        async def slow(client: Client) -> int:
            await gates.wait("slow")
            return 1

        ada = await joined(hub)
        ada.begin({"rpc": {"method": "slow"}})
        clock.advance(25.0)
        ada.connection.wake()
        clock.advance(8.0)
        ada.connection.wake()
        assert await ada.ended() == (3012, "no pong")
        messages = list(ada.wire.messages)
        gates.open("slow")
        await until(lambda: hub.node.connections == set())
        assert ada.wire.messages == messages

    async def test_stopping_cuts_it_off(self, gates: Gates, hub: Tidings) -> None:
        """A handler that nobody waits for any more is cancelled."""
        cut: list[str] = []

        @hub.rpc("slow")
        async def slow(client: Client) -> None:
            try:
                await gates.wait("slow")
            except asyncio.CancelledError:
                cut.append(client.user)
                raise

        ada = await joined(hub)
        ada.begin({"rpc": {"method": "slow"}})
        await until(lambda: gates.waiting)
        await hub.stop()
        assert cut == ["ada"]

    async def test_on_a_real_socket(self) -> None:
        """Under uvicorn's protocols, with pings every fraction of a second and a client that answers them."""
        client = {"personal_channel": False, "ping_interval": 0.05, "pong_timeout": 0.04}
        gate = asyncio.Event()
        async with Tidings(settings={**SETTINGS, "client": client}) as hub, served(hub) as url:

            @hub.rpc("slow")
            async def slow(client: Client) -> str:
                await gate.wait()
                return "done"

            async with asyncio.timeout(20.0), connect(url) as websocket:
                heard = answering(websocket)
                token = mint(SECRET, user="ada", ttl=0, now=0)
                await websocket.send(json.dumps({"id": 1, "connect": {"token": token}}))
                await websocket.send('{"id":2,"subscribe":{"channel":"open:x"}}\n{"id":3,"rpc":{"method":"slow"}}')
                assert [(await anext(heard))["id"] for _ in range(2)] == [1, 2]
                for number in range(3):
                    assert await anext(heard) == {}
                    await hub.publish("open:x", number)
                    assert await after_pings(heard) == {"push": {"channel": "open:x", "pub": {"data": number}}}
                gate.set()
                assert await after_pings(heard) == {"id": 3, "rpc": {"data": "done"}}


@asynccontextmanager
async def served(hub: Tidings) -> AsyncIterator[str]:
    """Serves a hub by uvicorn's protocols on a free port, and says where."""
    config = uvicorn.Config(hub, ws=WebSocketProtocol, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: config.http_protocol_class(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/connection/websocket"
    finally:
        server.close()
        await until(lambda: not state.connections and not state.tasks)


async def answering(websocket: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    """What a client hears, while it answers every ping."""
    async for message in websocket:
        for heard in map(json.loads, str(message).split("\n")):
            if heard == {}:
                await websocket.send("{}")
            yield heard


async def after_pings(heard: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    """The next thing that is not a ping, without the time of a publication."""
    while (message := await anext(heard)) == {}:
        pass
    message.get("push", {}).get("pub", {}).pop("time", None)
    return message
