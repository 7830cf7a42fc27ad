"""The shell around a session: messages in and out, what waits, and what is left of a connection when it is gone."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from tests.gateway.house import House
from tests.gateway.wire import HANDSHAKE, Caller, Wire, turn, until

from tidings import events
from tidings.brokers.memory import MemoryBroker
from tidings.clock import ManualClock
from tidings.errors import AlreadySubscribed, BrokerUnavailable, UnknownChannel
from tidings.gateway.application import NoApplication
from tidings.gateway.client import Client
from tidings.gateway.grants import SubscriptionGrant
from tidings.gateway.outbox import Held
from tidings.model import Publication
from tidings.wire.centrifuge.protobuf import PROTOBUF

pytestmark = pytest.mark.shell

REPLY = b'{"id":%d,"unsubscribe":{}}'


class Told(NoApplication):
    """An application that is told of ends, and answers rpc when `gate` is open."""

    def __init__(self) -> None:
        self.ends: list[tuple[object, ...]] = []
        self.gate = asyncio.Event()

    def sees_clients(self) -> bool:
        return True

    def hears_ends(self) -> bool:
        return True

    def handles_rpc(self) -> bool:
        return True

    async def call(self, client: Client, method: str, data: bytes) -> bytes:
        await self.gate.wait()
        return b'"done"'

    async def unsubscribed(self, client: Client, channel: str, code: int) -> None:
        self.ends.append((channel, code))

    async def disconnected(self, client: Client, code: int, reason: str) -> None:
        self.ends.append((code, reason))


class SlowBroker(MemoryBroker):
    """Takes its time to subscribe; while `away` it cannot."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.gate = asyncio.Event()
        self.away = False

    async def subscribe(self, channel: str) -> None:
        await self.gate.wait()
        if self.away:
            raise BrokerUnavailable
        await super().subscribe(channel)


@pytest.fixture
async def house() -> Any:
    async with House() as house:
        yield house


class TestBatches:
    async def test_replies_of_one_message_leave_in_one_message(self, house: House) -> None:
        ada = await house.caller()
        del ada.wire.messages[:]
        ada.say(
            '{"id":2,"unsubscribe":{"channel":"a"}}',
            '{"id":3,"subscribe":{"channel":"nowhere:a"}}',
            '{"id":4,"unsubscribe":{"channel":"b"}}',
        )
        refused = b'{"id":3,"error":{"code":102,"message":"unknown channel"}}'
        assert ada.wire.messages == [b"\n".join([REPLY % 2, refused, REPLY % 4])]

    async def test_in_protobuf_too(self) -> None:
        """Each command and each reply after its length."""
        async with House(anonymous=True) as house:
            ada = Caller(house.node, codec=PROTOBUF)
            ada.connection.receive(b"\x04\x08\x01\x22\x00")
            await until(lambda: ada.wire.messages)
            ada.connection.receive(b"\x07\x08\x02\x32\x03\x0a\x01a\x07\x08\x03\x32\x03\x0a\x01b")
            assert ada.wire.messages[1:] == [b"\x04\x08\x02\x3a\x00\x04\x08\x03\x3a\x00"]

    async def test_what_has_to_wait_is_answered_in_order(self, house: House) -> None:
        """A command behind one that waits waits too, however quick it would be."""
        ada = await house.caller()
        del ada.wire.messages[:]
        ada.say(
            '{"id":2,"unsubscribe":{"channel":"a"}}',
            '{"id":3,"subscribe":{"channel":"b"}}',
            '{"id":4,"unsubscribe":{"channel":"b"}}',
        )
        assert ada.wire.messages == [REPLY % 2]
        await ada.reply(4)
        assert [heard["id"] for heard in ada.heard] == [2, 3, 4]

    async def test_replies_come_before_the_end(self, house: House) -> None:
        """What was answered before the rule was broken is said, and nothing after it."""
        ada = await house.caller()
        del ada.wire.messages[:]
        ada.say('{"id":2,"unsubscribe":{"channel":"a"}}', "{}", '{"id":3,"unsubscribe":{"channel":"b"}}')
        assert ada.wire.messages == [REPLY % 2]
        assert ada.wire.end == (3501, "bad request")

    @pytest.mark.parametrize("message", [b"", b"nonsense", b'{"id":2}\n{', b"\xff", b"[]"])
    async def test_what_cannot_be_read_ends_the_connection(self, house: House, message: bytes) -> None:
        """All of the message or nothing."""
        ada = await house.caller()
        ada.connection.receive(message)
        assert ada.wire.end == (3501, "bad request")
        assert len(ada.wire.messages) == 1


class TestWaiting:
    async def test_time_and_the_server_go_on(self) -> None:
        """While a call waits, the client is pinged, its pong is heard, and what it listens to arrives."""
        application = Told()
        async with House(application=application) as house:
            ada = await house.caller("ada", "news")
            ada.begin({"rpc": {"method": "slow"}})
            house.clock.advance(25.0)
            ada.connection.wake()
            assert ada.heard[-1] == {}
            ada.say("{}")
            house.clock.advance(8.0)
            ada.connection.wake()
            await house.publish("news", 1)
            await turn()
            assert ada.data("news") == [1]
            application.gate.set()
            assert (await ada.reply(3))["rpc"] == {"data": "done"}
            assert ada.wire.end is None

    async def test_too_many_commands_end_the_connection(self) -> None:
        """What waits behind a slow handler is bounded."""
        async with House(application=Told(), command_queue_limit=3) as house:
            ada = await house.caller()
            ada.begin({"rpc": {"method": "slow"}})
            for _ in range(4):
                ada.begin({"unsubscribe": {"channel": "a"}})
            assert ada.wire.end == (3013, "too many requests")

    async def test_too_many_commands_in_one_message_end_it_too(self) -> None:
        """They would keep the loop from everybody else."""
        async with House(command_queue_limit=3) as house:
            ada, bob = await house.caller("ada"), await house.caller("bob")
            ada.say(*['{"id":2,"unsubscribe":{"channel":"a"}}'] * 3)
            bob.say(*['{"id":2,"unsubscribe":{"channel":"a"}}'] * 4)
            assert (ada.wire.end, bob.wire.end) == (None, (3013, "too many requests"))

    async def test_an_answer_for_a_client_that_is_gone_is_dropped(self) -> None:
        application = Told()
        async with House(application=application) as house:
            ada = await house.caller()
            ada.begin({"rpc": {"method": "slow"}})
            await asyncio.sleep(0)
            ada.wire.lose()
            messages = list(ada.wire.messages)
            application.gate.set()
            await until(lambda: not house.node.connections)
            assert ada.wire.messages == messages

    async def test_a_channel_that_opens_too_late_is_given_up(self) -> None:
        """The client went while its channel was being opened: the hub lets it go, and nobody is told of it."""
        application, broker = Told(), SlowBroker(ManualClock())
        async with House(application=application, broker=broker) as house:
            ada = await house.caller()
            ada.begin({"subscribe": {"channel": "news"}})
            await asyncio.sleep(0)
            ada.wire.lose(1001, "going away")
            broker.gate.set()
            await until(lambda: application.ends)
            await house.publish("news", 1)
            assert house.node.hub.channels() == {}
        assert application.ends == [(1001, "going away")]


class TestServerSide:
    async def test_a_subscription(self, house: House) -> None:
        """The client is told before the first publication comes."""
        ada = await house.caller()
        await ada.connection.subscribe("news", SubscriptionGrant(data=b'"welcome"'))
        await house.publish("news", 1)
        await turn()
        assert [sorted(push) for push in ada.pushes] == [["channel", "subscribe"], ["channel", "pub"]]
        assert ada.pushes[0]["subscribe"] == {"data": "welcome"}
        with pytest.raises(AlreadySubscribed):
            await ada.connection.subscribe("news", SubscriptionGrant())
        with pytest.raises(UnknownChannel):
            await ada.connection.subscribe("nowhere:a", SubscriptionGrant())

    async def test_one_that_fails_leaves_nothing_behind(self) -> None:
        """Whether the broker is away or nobody waits for it any more."""
        broker = SlowBroker(ManualClock())
        async with House(broker=broker) as house:
            ada = await house.caller()
            waiting = asyncio.create_task(ada.connection.subscribe("news", SubscriptionGrant()))
            await asyncio.sleep(0)
            waiting.cancel()
            broker.away = True
            broker.gate.set()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            with pytest.raises(BrokerUnavailable):
                await ada.connection.subscribe("news", SubscriptionGrant())
            broker.away = False
            await ada.connection.subscribe("news", SubscriptionGrant())
            assert ada.connection.channels == ["news"]

    async def test_one_that_is_ready_too_late_is_given_up(self) -> None:
        application, broker = Told(), SlowBroker(ManualClock())
        async with House(application=application, broker=broker) as house:
            ada = await house.caller()
            waiting = asyncio.create_task(ada.connection.subscribe("news", SubscriptionGrant()))
            await asyncio.sleep(0)
            ada.wire.lose()
            broker.gate.set()
            await waiting
            assert house.node.hub.channels() == {}
            assert ada.pushes == []
        assert application.ends == [(1006, "")]

    async def test_data_for_one_client(self, house: House) -> None:
        ada, bob = await house.caller("ada"), await house.caller("bob")
        ada.connection.push(b'{"for":"ada"}')
        assert (ada.pushes, bob.pushes) == ([{"message": {"data": {"for": "ada"}}}], [])
        ada.connection.push(b"\xff")
        assert ada.wire.end == (3506, "inappropriate protocol")

    async def test_a_new_end(self, house: House) -> None:
        ada = await house.caller()
        ada.connection.refresh(house.clock.now() + 60)
        assert ada.pushes == [{"refresh": {"expires": True, "ttl": 60}}]


class TestTheEnd:
    @pytest.mark.parametrize("code", [3000, 1006])
    async def test_nothing_is_left_behind(self, house: House, code: int) -> None:
        """Neither on the premises nor in memory, whoever ended it."""
        ada = await house.caller("ada", "news", "seen:x", "kept:x")
        assert house.node.hub.channels() == {"news": 1, "seen:x": 1, "kept:x": 1}
        if code == 3000:
            ada.connection.disconnect(3000, "connection closed")
            assert house.node.hub.channels() == {}
            await until(lambda: not house.node.connections)
        else:
            ada.wire.lose(code)
        assert (house.node.hub.channels(), len(house.node.users), house.node.connections) == ({}, 0, set())
        gone = weakref.ref(ada.wire)
        del ada
        await until(lambda: asyncio.all_tasks() - standing() == set())
        gc.collect()
        assert gone() is None

    async def test_who_is_lost_with_a_publication_under_way_costs_nobody_else(self, house: House) -> None:
        """It was published a moment before, and is written to everybody but the one that is gone."""
        callers = [await house.caller(user, "news") for user in ("ada", "bob", "eve")]
        for caller in (callers[1], callers[0]):
            await house.node.hub.publish("news", Publication(b"1"))
            caller.wire.lose()
        await turn()
        assert [caller.data("news") for caller in callers] == [[1], [], [1, 1]]
        assert house.node.hub.channels() == {"news": 1}

    async def test_it_is_told_once(self) -> None:
        """The application hears of it when the connection ends, and not again when its transport is gone."""
        application = Told()
        async with House(application=application) as house:
            ada = await house.caller("ada", "news")
            ada.connection.disconnect(4000, "later")
            ada.connection.disconnect(4001, "again")
            await until(lambda: not house.node.connections)
            ada.connection.unsubscribe("news")
            ada.connection.wake()
            await until(lambda: len(application.ends) == 2)
        assert application.ends == [("news", 0), (4000, "later")]
        (closed,) = house.told(events.ConnectionClosed)
        assert (closed.user, closed.code, closed.reason, closed.by_server) == ("ada", 4000, "later", True)

    async def test_who_goes_by_itself_is_told_apart(self, house: House) -> None:
        ada = await house.caller()
        house.clock.advance(3.0)
        ada.wire.lose(1001, "bye")
        (closed,) = house.told(events.ConnectionClosed)
        assert (closed.code, closed.reason, closed.lasted, closed.by_server) == (1001, "bye", 3.0, False)

    async def test_pausing_and_resuming_after_the_end_changes_nothing(self, house: House) -> None:
        ada = await house.caller("ada", "news")
        ada.connection.disconnect(4000, "later")
        messages = list(ada.wire.messages)
        ada.connection.pause()
        ada.connection.resume()
        ada.connection.outbox.hold(Held(b"late"))
        assert (ada.wire.messages, ada.connection.outbox.queued_bytes) == (messages, 0)

    async def test_who_says_nothing_is_stale(self, house: House) -> None:
        silent = Caller(house.node)
        house.clock.advance(10.0)
        silent.connection.wake()
        assert silent.wire.end == (3502, "stale")


def standing() -> set[asyncio.Task[Any]]:
    """The tasks of a node that nobody talks to, and of the test."""
    return {task for task in asyncio.all_tasks() if task.get_name().startswith("watch over")} | {asyncio.current_task()}  # type: ignore[arg-type]


class TestRequests:
    async def test_the_request_is_forgotten_where_nobody_asks_for_it(self, house: House) -> None:
        """Once the client is in: ten thousand of them would be megabytes of headers."""
        ada = Caller(house.node)
        assert ada.connection.handshake is HANDSHAKE
        await ada.connect("ada")
        await until(lambda: ada.connection.handshake is None)

    async def test_the_request_is_kept_for_an_application(self) -> None:
        async with House(application=Told()) as house:
            ada = await house.caller("ada", "news")
            assert ada.connection.client.request is HANDSHAKE


async def test_pings_may_be_the_transports_own(house: House) -> None:
    ada = await house.caller("ada", wire=Wire(native_pings=True))
    messages = len(ada.wire.messages)
    house.clock.advance(25.0)
    ada.connection.wake()
    assert (ada.wire.pings, len(ada.wire.messages)) == (1, messages)
    ada.connection.pong()
    house.clock.advance(8.0)
    ada.connection.wake()
    assert ada.wire.end is None


async def test_it_says_how_it_is(house: House) -> None:
    ada = await house.caller()
    assert repr(ada.connection) == f"<Connection {ada.connection.client_id} of user 'ada', connected>"
