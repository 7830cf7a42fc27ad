"""What an application's handlers decide, as its clients see it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests.app.conftest import Gates, OpenHub
from tests.gateway.wire import SECRET, Caller, turn, until

from tidings import Client, ConnectReply, Disconnect, SubscribeReply, Tidings, TidingsError
from tidings.channels.options import Override
from tidings.clock import ManualClock
from tidings.errors import PermissionDenied
from tidings.events import CommandFailed, Fact
from tidings.gateway.tokens import mint

pytestmark = pytest.mark.shell

REFUSED = {"id": 1, "error": {"code": 103, "message": "permission denied"}}
FAILED = {"code": 100, "message": "internal server error", "temporary": True}


class Quote(msgspec.Struct):
    symbol: str
    price: float


class Unspeakable:
    """A value that JSON cannot say."""


def failures(facts: list[Fact]) -> list[tuple[str, str, BaseException]]:
    return [(fact.method, fact.client, fact.error) for fact in facts if isinstance(fact, CommandFailed)]


async def joined(hub: Tidings, user: str = "ada") -> Caller:
    """A client that is connected."""
    caller = Caller(hub.node)
    assert "connect" in await caller.connect(user)
    return caller


class TestConnect:
    async def test_true_accepts_whoever_has_a_token(self, hub: Tidings) -> None:
        """The handler is told whom the token names. Without a token nobody is named, and True is not enough."""
        seen: list[str] = []

        @hub.on_connect
        async def who(client: Client) -> bool:
            seen.append(client.user)
            return True

        assert "connect" in await Caller(hub.node).connect("ada")
        stranger = Caller(hub.node)
        stranger.arrive()
        assert await stranger.ended() == (3501, "bad request")
        assert seen == ["ada", ""]

    async def test_true_accepts_everybody_where_settings_do(self, open_hub: OpenHub) -> None:
        hub = await open_hub(client={"anonymous": True})

        @hub.on_connect
        async def who(client: Client) -> bool:
            return True

        assert "connect" in await Caller(hub.node).connect()

    @pytest.mark.parametrize("verdict", [False, None, 1, "yes", {}, SubscribeReply()])
    async def test_everything_else_refuses(self, hub: Tidings, verdict: Any) -> None:
        """Even a token, and even what is true in Python: forgetting to return lets nobody in."""

        @hub.on_connect
        async def who(client: Client) -> Any:
            return verdict

        assert await Caller(hub.node).connect("ada") == REFUSED

    async def test_a_reply_says_who_it_is(self, hub: Tidings, clock: ManualClock) -> None:
        """User, what others see, what the client gets, its channels, its end, and what stays on the server."""
        hub.namespace("news", presence=True)

        @hub.on_connect
        async def who(client: Client, data: dict[str, str]) -> ConnectReply:
            channels = {"news:all": SubscribeReply(info={"seat": 1}, data="welcome"), "open:hall": SubscribeReply()}
            return ConnectReply(
                user=data["session"],
                info={"name": "Ada"},
                data={"theme": "dark"},
                channels=channels,
                expire_at=clock.now() + 60,
                meta={"plan": "gold"},
            )

        @hub.rpc("meta")
        async def meta(client: Client) -> Any:
            return [client.user, client.info, client.meta]

        caller = Caller(hub.node)
        result = (await caller.connect(data={"session": "ada"}))["connect"]
        assert (result["data"], result["subs"]) == (
            {"theme": "dark"},
            {"news:all": {"data": "welcome"}, "open:hall": {}},
        )
        assert (await caller.rpc("meta"))["rpc"]["data"] == ["ada", {"name": "Ada"}, {"plan": "gold"}]
        (info,) = (await hub.presence("news:all")).values()
        assert (info.user, info.conn_info, info.chan_info) == ("ada", b'{"name":"Ada"}', b'{"seat":1}')
        clock.advance(60.0)
        caller.connection.wake()
        assert await caller.ended() == (3005, "connection expired")

    async def test_channels_may_be_a_list(self, hub: Tidings) -> None:
        @hub.on_connect
        async def who(client: Client) -> ConnectReply:
            return ConnectReply(user="ada", channels=["open:one", "open:two"])

        assert (await Caller(hub.node).connect())["connect"]["subs"] == {"open:one": {}, "open:two": {}}

    async def test_a_bad_token_is_refused_before_anybody_is_asked(self, hub: Tidings, clock: ManualClock) -> None:
        asked: list[Client] = []

        @hub.on_connect
        async def who(client: Client) -> bool:
            asked.append(client)
            return True

        forged, expired = Caller(hub.node), Caller(hub.node)
        forged.begin({"connect": {"token": mint("another secret of thirty-two ones", user="ada", ttl=0, now=0)}})
        assert await forged.ended() == (3500, "invalid token")
        token = mint(SECRET, user="ada", ttl=1, now=clock.now() - 10)
        assert (await expired.ask({"connect": {"token": token}}))["error"]["code"] == 109
        assert asked == []


class TestSubscribe:
    async def test_true_allows(self, hub: Tidings) -> None:
        @hub.on_subscribe("orders:{order_id}")
        async def may_listen(client: Client, order_id: int) -> bool:
            return order_id == 42

        ada = await joined(hub)
        assert await ada.subscribe("orders:42") == {"id": 2, "subscribe": {}}
        assert (await ada.subscribe("orders:43"))["error"]["code"] == 103
        assert (await ada.subscribe("orders:x"))["error"] == {
            "code": 107,
            "message": "order_id: Expected int, got str",
        }

    @pytest.mark.parametrize("verdict", [False, None, 1, "yes", ConnectReply(user="")])
    async def test_everything_else_refuses(self, hub: Tidings, verdict: Any) -> None:
        """Also where the namespace would let everybody in: the handler decides."""

        @hub.on_subscribe("open:{name}")
        async def may_listen(client: Client) -> Any:
            return verdict

        assert (await (await joined(hub)).subscribe("open:x"))["error"]["code"] == 103

    async def test_a_reply_sets_the_terms(self, hub: Tidings, clock: ManualClock) -> None:
        """What others see, what the client gets, options of its own, and an end."""

        @hub.on_subscribe("shut:{name}")
        async def may_listen(client: Client, name: str, data: int) -> SubscribeReply:
            info, ends = {"seat": data}, clock.now() + 60
            return SubscribeReply(info=info, data="hello", expire_at=ends, override=Override(presence=True))

        ada = await joined(hub)
        assert await ada.subscribe("shut:x", data=7) == {"id": 2, "subscribe": {"data": "hello"}}
        hub.namespace("shut", presence=True)
        assert [info.chan_info for info in (await hub.presence("shut:x")).values()] == [b'{"seat":7}']
        clock.advance(60.0)
        ada.connection.wake()
        await until(lambda: ada.pushes)
        assert ada.pushes == [{"channel": "shut:x", "unsubscribe": {"code": 2501, "reason": "subscription expired"}}]

    async def test_the_first_that_fits_decides(self, hub: Tidings) -> None:
        """In the order of registration, so the particular comes before the general."""

        @hub.on_subscribe("orders:mine")
        async def particular(client: Client) -> SubscribeReply:
            return SubscribeReply(data="particular")

        @hub.on_subscribe("orders:{order_id}")
        async def general(client: Client) -> SubscribeReply:
            return SubscribeReply(data="general")

        ada = await joined(hub)
        assert (await ada.subscribe("orders:mine"))["subscribe"]["data"] == "particular"
        assert (await ada.subscribe("orders:42"))["subscribe"]["data"] == "general"

    async def test_a_token_decides_without_the_handler(self, hub: Tidings, clock: ManualClock) -> None:
        @hub.on_subscribe("orders:{order_id}")
        async def may_listen(client: Client) -> bool:
            return False

        ada = await joined(hub)
        token = mint(SECRET, user="ada", channel="orders:42", ttl=0, now=clock.now())
        assert "subscribe" in await ada.subscribe("orders:42", token=token)

    async def test_a_namespace_without_a_handler_keeps_its_options(self, hub: Tidings) -> None:
        @hub.on_subscribe("orders:{order_id}")
        async def may_listen(client: Client) -> bool:
            return True

        ada = await joined(hub)
        assert "subscribe" in await ada.subscribe("open:x")
        assert (await ada.subscribe("shut:x"))["error"]["code"] == 103


class TestPublish:
    async def test_true_publishes_it_as_it_is(self, hub: Tidings) -> None:
        """With the publisher's own info, for everybody."""

        @hub.on_publish("shut:{name}")
        async def may_say(client: Client, data: dict[str, str]) -> bool:
            return data["text"] != ""

        ada = await joined(hub)
        await hub.subscribe("ada", "shut:x")
        assert await ada.ask({"publish": {"channel": "shut:x", "data": {"text": "hi", "more": 1}}}) == {
            "id": 2,
            "error": {"code": 107, "message": "data: Expected str, got int, at [...]"},
        }
        assert "publish" in await ada.ask({"publish": {"channel": "shut:x", "data": {"text": "hi"}}})
        await turn()
        (push,) = [push["pub"] for push in ada.pushes if "pub" in push]
        assert (push["data"], push["info"]) == ({"text": "hi"}, {"user": "ada", "client": ada.connection.client_id})

    async def test_another_value_is_published_instead(self, hub: Tidings) -> None:
        """Zero and empty values too; only False and None refuse."""

        @hub.on_publish("open:{name}")
        async def instead(client: Client, data: Any) -> Any:
            return data["say"]

        ada = await joined(hub)
        await ada.subscribe("open:x")
        for value in [{"a": 1}, 0, "", []]:
            assert "publish" in await ada.ask({"publish": {"channel": "open:x", "data": {"say": value}}})
        for value in [None, False]:
            refused = await ada.ask({"publish": {"channel": "open:x", "data": {"say": value}}})
            assert refused["error"]["code"] == 103
        assert ada.data("open:x") == [{"a": 1}, 0, "", []]


class TestCalls:
    async def test_the_answer_comes_back(self, hub: Tidings) -> None:
        """A value that JSON can say, or bytes that are encoded already."""

        @hub.rpc("quote")
        async def quote(client: Client, request: Quote) -> Quote:
            return Quote(request.symbol, request.price + 1)

        @hub.rpc("raw")
        async def raw(client: Client) -> bytes:
            return b'{"encoded":"already"}'

        @hub.rpc("nothing")
        async def nothing(client: Client) -> None: ...

        ada = await joined(hub)
        assert (await ada.rpc("quote", {"symbol": "TID", "price": 1}))["rpc"]["data"] == {"symbol": "TID", "price": 2.0}
        assert (await ada.rpc("raw"))["rpc"]["data"] == {"encoded": "already"}
        assert (await ada.rpc("nothing"))["rpc"]["data"] is None
        assert (await ada.rpc("quote", {"price": 1}))["error"] == {
            "code": 107,
            "message": "request: Object missing required field symbol",
        }

    async def test_an_unknown_name(self, hub: Tidings) -> None:
        """104 where there are handlers, 108 where there are none at all."""
        ada = await joined(hub)
        assert (await ada.rpc("quote"))["error"]["code"] == 108

        @hub.rpc("quote")
        async def quote(client: Client) -> int:
            return 1

        assert (await ada.rpc("other"))["error"]["code"] == 104

    async def test_a_message_is_taken_without_an_answer(self, hub: Tidings) -> None:
        taken: list[object] = []

        @hub.on_message
        async def take(client: Client, data: int) -> None:
            taken.append((client.user, data))

        ada = await joined(hub)
        ada.say('{"send":{"data":7}}', '{"send":{"data":"seven"}}')
        assert (await ada.ask({"unsubscribe": {"channel": "none"}}))["unsubscribe"] == {}
        assert taken == [("ada", 7)]
        assert len(ada.wire.messages) == 2

    async def test_a_message_that_nobody_takes_ends_the_connection(self, hub: Tidings) -> None:
        ada = await joined(hub)
        ada.say('{"send":{"data":7}}')
        assert await ada.ended() == (3508, "not available")


ERRORS = [
    (TidingsError("sold out", code=410), {"code": 410, "message": "sold out"}),
    (TidingsError("busy", code=411, temporary=True), {"code": 411, "message": "busy", "temporary": True}),
    (PermissionDenied(), {"code": 103, "message": "permission denied"}),
]


def register(hub: Tidings, outcome: Any) -> None:
    """Handlers for everything, which raise an exception or return a value."""

    async def handle(client: Client) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    hub.on_connect(handle)
    hub.on_subscribe("open:{name}")(handle)
    hub.on_publish("open:{name}")(handle)
    hub.rpc("it")(handle)


async def commands(hub: Tidings, outcome: Any) -> dict[str, Caller]:
    """A client for each command that a handler decides about, with that command on its way."""
    arriving, *others = [Caller(hub.node) for _ in range(4)]
    for other in others:
        assert "connect" in await other.connect("ada")
    register(hub, outcome)
    subscribing, publishing, calling = others
    token = mint(SECRET, user="ada", ttl=0, now=0)
    arriving.say(f'{{"id":9,"connect":{{"token":"{token}"}}}}')
    subscribing.say('{"id":9,"subscribe":{"channel":"open:x"}}')
    publishing.say('{"id":9,"publish":{"channel":"open:x","data":1}}')
    calling.say('{"id":9,"rpc":{"method":"it"}}')
    return {"Authenticate": arriving, "Authorize": subscribing, "Review": publishing, "Call": calling}


class TestWhatGoesWrong:
    @pytest.mark.parametrize(("error", "reply"), ERRORS)
    async def test_an_error_of_ours_is_the_reply(
        self, hub: Tidings, facts: list[Fact], error: TidingsError, reply: dict[str, Any]
    ) -> None:
        """Code, message and whether to try again, as the handler said; nobody else is troubled."""
        for caller in (await commands(hub, error)).values():
            assert await caller.reply(9) == {"id": 9, "error": reply}
            assert caller.wire.end is None
        assert failures(facts) == []

    async def test_a_disconnect_ends_the_connection(self, hub: Tidings, facts: list[Fact]) -> None:
        """With its code and reason, and in place of a reply."""
        for caller in (await commands(hub, Disconnect(4501, "banned"))).values():
            assert await caller.ended() == (4501, "banned")
            assert [heard for heard in caller.heard if heard.get("id") == 9] == []
        assert failures(facts) == []

    async def test_anything_else_is_an_error_here(
        self, hub: Tidings, facts: list[Fact], caplog: pytest.LogCaptureFixture
    ) -> None:
        """The client is told that it may try again and nothing else. The traceback is announced, and in the log."""
        callers = await commands(hub, KeyError("a secret"))
        for caller in callers.values():
            assert await caller.reply(9) == {"id": 9, "error": FAILED}
            assert b"secret" not in b"".join(caller.wire.messages[-1:])
        told = {method: (client, repr(error), bool(error.__traceback__)) for method, client, error in failures(facts)}
        assert told == {
            method: (caller.connection.client_id, "KeyError('a secret')", True) for method, caller in callers.items()
        }
        assert "KeyError: 'a secret'" in caplog.text

    @pytest.mark.parametrize(
        ("answer", "fail"),
        [
            (Unspeakable(), {"Review", "Call"}),
            (ConnectReply(user="ada", info=Unspeakable()), {"Authenticate", "Review", "Call"}),
            (SubscribeReply(data=Unspeakable()), {"Authorize", "Review", "Call"}),
        ],
    )
    async def test_an_answer_that_cannot_be_encoded_is_an_error_here(
        self, hub: Tidings, facts: list[Fact], answer: Any, fail: set[str]
    ) -> None:
        """It is not the client's request that was bad, and the client does not see what the application is made of."""
        for method, caller in (await commands(hub, answer)).items():
            expected = FAILED if method in fail else REFUSED["error"]
            assert (await caller.reply(9))["error"] == expected
        assert {method for method, _, _ in failures(facts)} == fail
        for _, _, error in failures(facts):
            assert str(error).startswith("the answer of <Handler register.<locals>.handle> cannot be encoded as JSON")

    async def test_messages_and_ends_fail_silently(self, hub: Tidings, facts: list[Fact]) -> None:
        """Nobody waits for these, so the failure is only announced; later handlers are called all the same."""

        @hub.on_message
        async def take(client: Client) -> None:
            raise KeyError("message")

        @hub.on_unsubscribe
        async def left(client: Client) -> None:
            raise KeyError("unsubscribe")

        @hub.on_disconnect
        async def gone(client: Client) -> None:
            raise KeyError("disconnect")

        ada = await joined(hub)
        await ada.subscribe("open:x")
        ada.say('{"send":{"data":7}}')
        await until(lambda: failures(facts))
        ada.wire.lose()
        await until(lambda: len(failures(facts)) == 3)
        assert [str(error) for _, _, error in failures(facts)] == ["'message'", "'unsubscribe'", "'disconnect'"]


class TestEnds:
    async def test_they_are_told_in_order_and_once(self, hub: Tidings) -> None:
        """What the client ends itself has code 0, what the server ends has its code, and the disconnect is the last."""
        told: list[tuple[Any, ...]] = []

        @hub.on_unsubscribe
        async def left(client: Client, channel: str, code: int) -> None:
            await asyncio.sleep(0)
            told.append((client.id, channel, code))

        @hub.on_disconnect
        async def gone(client: Client, code: int, reason: str) -> None:
            told.append((client.id, code, reason))

        ada, bob = await joined(hub), await joined(hub, "bob")
        for channel in ("open:1", "open:2", "open:3"):
            await ada.subscribe(channel)
        await bob.subscribe("open:1")
        await ada.ask({"unsubscribe": {"channel": "open:1"}})
        await hub.unsubscribe("ada", "open:2")
        await hub.disconnect("ada", 4000, "later")
        bob.wire.lose(1001, "going away")
        await until(lambda: len(told) == 6)
        ada_id, bob_id = ada.connection.client_id, bob.connection.client_id
        assert [entry[1:] for entry in told if entry[0] == ada_id] == [
            ("open:1", 0),
            ("open:2", 2000),
            ("open:3", 0),
            (4000, "later"),
        ]
        assert [entry[1:] for entry in told if entry[0] == bob_id] == [("open:1", 0), (1001, "going away")]

    async def test_a_slow_one_delays_nobody_else(self, hub: Tidings, gates: Gates) -> None:
        """The order holds per client."""
        told: list[str] = []

        @hub.on_disconnect
        async def gone(client: Client) -> None:
            if client.user == "ada":
                await gates.wait("ada")
            told.append(client.user)

        for user in ("ada", "bob"):
            (await joined(hub, user)).wire.lose()
        await until(lambda: told)
        assert told == ["bob"]
        gates.open("ada")
        await until(lambda: len(told) == 2)

    async def test_who_never_connected_is_not_told_of(self, hub: Tidings) -> None:
        told: list[str] = []

        @hub.on_disconnect
        async def gone(client: Client) -> None:
            told.append(client.user)

        Caller(hub.node).wire.lose()
        refused = Caller(hub.node)
        refused.arrive(token="x")
        await refused.ended()
        (await joined(hub)).wire.lose()
        await until(lambda: told)
        assert told == ["ada"]

    async def test_stopping_waits_until_all_were_told(self, hub: Tidings, gates: Gates) -> None:
        told: list[tuple[int, str]] = []

        @hub.on_disconnect
        async def gone(client: Client, code: int, reason: str) -> None:
            await gates.wait("storage")
            told.append((code, reason))

        await joined(hub)
        await joined(hub, "bob")
        stopping = asyncio.create_task(hub.stop())
        await until(lambda: len(gates.waiting) == 2)
        for _ in range(50):  # as many turns as stopping would otherwise take
            await turn()
        assert (stopping.done(), told) == (False, [])
        gates.open("storage")
        await stopping
        assert told == [(3001, "shutdown")] * 2
