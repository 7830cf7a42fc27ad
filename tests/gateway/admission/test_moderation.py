"""Limits on commands and connects, on a node in this process with time at hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.gateway.house import House
from tests.gateway.wire import HANDSHAKE, Caller, Wire, until

from tidings import events
from tidings.gateway.admission import Rate, Rates
from tidings.gateway.application import NoApplication
from tidings.gateway.client import Client
from tidings.gateway.grants import ConnectionGrant
from tidings.gateway.node import Limits
from tidings.wire.centrifuge.messages import ConnectRequest

pytestmark = pytest.mark.shell

REFUSED = {"code": 111, "message": "too many requests", "temporary": True}
UNKNOWN = {"code": 102, "message": "unknown channel"}


def limited(**rates: str) -> Limits:
    return Limits(rates=Rates(**{name: Rate.parse(text) for name, text in rates.items()}))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Twelve commands in two seconds on a connection."""
    async with House(limits=limited(commands_per_connection="12/2s")) as house:
        yield house


def commands(first: int, count: int, **command: Any) -> list[str]:
    """Commands that are answered at once, with error 102 where the limit lets them through."""
    command = command or {"subscribe": {"channel": "nowhere:a"}}
    return [json.dumps({"id": number, **command}) for number in range(first, first + count)]


def errors(caller: Caller) -> list[Any]:
    """The errors that it heard, in order."""
    return [heard["error"] for heard in caller.heard if "error" in heard]


def ring(house: House, seconds: float) -> None:
    """Let time go on, and wake whoever is due."""
    house.clock.advance(seconds)
    house.node._premises.alarms.ring()


class TestCommands:
    async def test_one_too_many_is_answered_with_111_and_may_be_repeated(self, house: House) -> None:
        ada = await house.caller()
        ada.say(*commands(10, 13))
        assert errors(ada) == [UNKNOWN] * 12 + [REFUSED]
        assert ada.heard[-1]["id"] == 22
        house.clock.advance(2.1)
        ada.say(*commands(30, 1))
        assert errors(ada)[-1] == UNKNOWN

    async def test_each_command_of_a_message_counts(self, house: House) -> None:
        """And messages with one each count the same."""
        ada, bob = await house.caller(), await house.caller("bob")
        ada.say(*commands(10, 15))
        for command in commands(10, 15):
            bob.say(command)
        assert errors(ada) == errors(bob) == [UNKNOWN] * 12 + [REFUSED] * 3

    async def test_whoever_stays_below_notices_nothing(self, house: House) -> None:
        ada = await house.caller()
        for number in range(100):
            ada.say(*commands(10 + number, 1))
            house.clock.advance(0.17)
        assert errors(ada) == [UNKNOWN] * 100
        assert house.told(events.RateLimited) == []

    async def test_other_connections_of_the_same_user_are_not_concerned(self, house: House) -> None:
        ada, other = await house.caller(), await house.caller()
        ada.say(*commands(10, 20))
        other.say(*commands(10, 1))
        assert errors(other) == [UNKNOWN]

    async def test_the_connect_command_and_pongs_do_not_count(self) -> None:
        async with House(limits=limited(commands_per_connection="1/2s"), ping_interval=25.0) as house:
            ada = await house.caller()
            ring(house, 25.0)
            ada.say("{}")
            ada.say(*commands(10, 1))
            assert errors(ada) == [UNKNOWN]
            assert ada.wire.end is None

    async def test_what_is_refused_does_not_reach_the_application(self, house: House) -> None:
        ada = await house.caller()
        ada.say(*commands(10, 12))
        assert "error" in await ada.subscribe("news")
        assert ada.connection.channels == []

    async def test_the_answer_to_the_connect_command_comes_first(self, house: House) -> None:
        """Also to who does not wait for it: the others are told as soon as they are in."""
        ada = Caller(house.node)
        first = ada.arrive("ada")
        ada.say(*commands(10, 15))
        assert ada.heard == []
        await ada.reply(10)
        assert [heard["id"] for heard in ada.heard] == [first, 22, 23, 24, *range(10, 22)]
        assert errors(ada) == [REFUSED] * 3 + [UNKNOWN] * 12

    async def test_nobody_waits_for_a_refusal(self, house: House) -> None:
        """It comes before the answers to earlier commands that wait for something, and takes no place among them."""
        ada = await house.caller()
        ada.say('{"id":9,"subscribe":{"channel":"news"}}', *commands(10, 12))
        assert [heard["id"] for heard in ada.heard[1:]] == [21]
        await ada.reply(20)
        assert [heard["id"] for heard in ada.heard[1:]] == [21, *range(9, 21)]

    async def test_an_unsubscribe_is_carried_out(self, house: House) -> None:
        """An SDK that cannot unsubscribe connects anew, which would cost more. It counts towards a flood, though."""
        ada = await house.caller("ada", "news")
        ada.say(*commands(10, 11))
        assert await ada.ask({"unsubscribe": {"channel": "news"}}) == {"id": 3, "unsubscribe": {}}
        assert ada.connection.channels == []
        ada.say(*commands(30, 13, unsubscribe={"channel": "news"}))
        assert not ada.wire.is_read

    async def test_a_message_without_an_answer_is_dropped(self, house: House) -> None:
        """There is nothing to answer to; it is counted as an error like others."""
        ada = await house.caller()
        ada.say(*commands(10, 12))
        del ada.wire.messages[:]
        ada.say('{"send":{"data":1}}')
        assert ada.wire.messages == []
        assert house.told(events.CommandHandled)[-1] == events.CommandHandled("send", 111, 0.0)

    async def test_it_is_announced(self, house: House) -> None:
        ada = await house.caller()
        ada.say(*commands(10, 13))
        expected = events.RateLimited("commands_per_connection", client=ada.connection.client_id, user="ada")
        assert house.told(events.RateLimited) == [expected]
        assert house.told(events.CommandHandled)[-1] == events.CommandHandled("subscribe", 111, 0.0)


class TestCommandsOfAUser:
    async def test_all_connections_count_together(self) -> None:
        async with House(limits=limited(commands_per_user="4/2s")) as house:
            ada, other, bob = await house.caller(), await house.caller(), await house.caller("bob")
            for caller in (ada, other, bob):
                caller.say(*commands(10, 3))
            assert errors(ada) == errors(bob) == [UNKNOWN] * 3
            assert errors(other) == [UNKNOWN, REFUSED, REFUSED]

    async def test_anonymous_clients_are_not_one_user(self) -> None:
        async with House(limits=limited(commands_per_user="4/2s"), anonymous=True) as house:
            ada = await house.caller("")
            ada.say(*commands(10, 8))
            assert REFUSED not in errors(ada)

    async def test_what_one_limit_refuses_is_not_counted_by_the_other(self) -> None:
        async with House(limits=limited(commands_per_connection="3/2s", commands_per_user="4/2s")) as house:
            ada, other = await house.caller(), await house.caller()
            ada.say(*commands(10, 9))
            other.say(*commands(10, 2))
            assert errors(other) == [UNKNOWN, REFUSED]
            assert [fact.limit for fact in house.told(events.RateLimited)] == [
                *["commands_per_connection"] * 6,
                "commands_per_user",
            ]


class TestFloods:
    async def test_reading_is_paused_and_goes_on_after_a_window(self, house: House) -> None:
        ada = await house.caller()
        ada.say(*commands(10, 23))
        assert ada.wire.is_read
        ada.say(*commands(50, 1))
        assert not ada.wire.is_read
        assert house.told(events.ReadingPaused) == [
            events.ReadingPaused("commands_per_connection", ada.connection.client_id, "ada", 2.0)
        ]
        ring(house, 1.5)
        assert not ada.wire.is_read
        ring(house, 0.7)
        assert ada.wire.is_read
        ada.say(*commands(60, 1))
        assert errors(ada)[-1] == UNKNOWN

    async def test_a_single_message_pauses_and_does_not_cut(self, house: House) -> None:
        """However long it is: whoever sent it could not know."""
        ada = await house.caller()
        ada.say(*commands(10, 500))
        assert errors(ada) == [UNKNOWN] * 12 + [REFUSED] * 488
        assert ada.wire.end is None

    async def test_who_goes_on_after_the_pause_is_cut(self, house: House) -> None:
        ada = await house.caller()
        ada.say(*commands(10, 24))
        ring(house, 2.2)
        for number in range(23):
            ada.say(*commands(100 + number, 1))
        assert ada.wire.end is None
        ada.say(*commands(200, 3))
        assert ada.wire.end == (3013, "too many requests")
        assert errors(ada)[-1] == REFUSED
        assert ada.heard[-1]["id"] == 200

    async def test_who_pauses_is_not_missed(self, house: House) -> None:
        """No ping is sent into a pause, and an answer that is owed has its time after it."""
        ada = await house.caller()
        house.clock.advance(12.0)
        for _ in range(20):
            if ada.heard[-1] == {}:
                break
            ring(house, 0.7)
        assert ada.heard[-1] == {}
        house.clock.advance(7.0)  # of the eight seconds that it has
        ada.say(*commands(10, 24))
        assert not ada.wire.is_read
        ring(house, 2.1)
        assert ada.wire.is_read
        house.clock.advance(7.0)
        house.node._premises.alarms.ring()
        assert ada.wire.end is None
        ada.say("{}")
        ring(house, 5.0)
        assert ada.wire.end is None

    async def test_no_ping_is_sent_to_who_cannot_answer(self) -> None:
        """Two pongs to what the session takes for one ping would break the protocol's rules."""
        async with House(limits=limited(commands_per_connection="12/4s"), ping_interval=1.0, pong_timeout=0.9) as house:
            ada = await house.caller()
            for _ in range(12):
                if ada.heard[-1] == {}:
                    break
                ring(house, 0.1)
            assert ada.heard[-1] == {}
            ada.say(*commands(10, 24))
            before = ada.heard.count({})
            for _ in range(38):
                ring(house, 0.1)
            assert not ada.wire.is_read
            assert ada.heard.count({}) == before
            ring(house, 0.3)
            assert ada.wire.is_read
            ada.say("{}")
            assert ada.wire.end is None

    async def test_one_that_leaves_while_it_is_paused_leaves_nothing_behind(self, house: House) -> None:
        ada = await house.caller()
        ada.say(*commands(10, 24))
        ada.wire.lose()
        ring(house, 3.0)
        assert not ada.wire.is_read
        assert len(house.node._premises.alarms._wheel) == 0


class TestConnects:
    async def test_a_user_who_connects_too_often_is_told_to_come_again(self) -> None:
        """111 to the connect command, which SDKs repeat after a while; after the window it may."""
        async with House(limits=limited(connects_per_user="2/10s")) as house:
            await house.caller()
            await house.caller()
            refused = Caller(house.node)
            assert (await refused.connect("ada"))["error"] == REFUSED
            assert "connect" in await Caller(house.node).connect("bob")
            house.clock.advance(10.1)
            assert "connect" in await Caller(house.node).connect("ada")
            assert house.told(events.RateLimited) == [
                events.RateLimited("connects_per_user", client=refused.connection.client_id, user="ada")
            ]
            assert house.node.users.clients == 4

    async def test_anonymous_clients_are_not_one_user(self) -> None:
        async with House(limits=limited(connects_per_user="1/10s"), anonymous=True) as house:
            for _ in range(3):
                assert "connect" in await Caller(house.node).connect()

    async def test_the_application_is_not_asked_about_who_is_refused(self) -> None:
        """Where a token says who it is."""
        asked: list[str] = []

        class Asked(NoApplication):
            def handles_connect(self) -> bool:
                return True

            async def connect(
                self, client: Client, request: ConnectRequest, grant: ConnectionGrant | None
            ) -> ConnectionGrant | None:
                asked.append(client.user)
                return ConnectionGrant(user=client.user or "late")

        async with House(limits=limited(connects_per_user="1/10s"), application=Asked()) as house:
            assert "connect" in await Caller(house.node).connect("ada")
            assert (await Caller(house.node).connect("ada"))["error"] == REFUSED
            assert asked == ["ada"]
            assert "connect" in await Caller(house.node).connect()
            assert (await Caller(house.node).connect())["error"] == REFUSED
            assert asked == ["ada", "", ""]

    async def test_an_address_that_comes_too_often_is_refused_before_its_handshake(self) -> None:
        async with House(limits=limited(connects_per_address="2/10s")) as house:
            assert [house.node.refuse(HANDSHAKE) for _ in range(2)] == [None, None]
            refusal = house.node.refuse(HANDSHAKE)
            assert refusal is not None
            assert (refusal.status, refusal.retry_after) == (429, 11)
            house.clock.advance(10.1)
            assert house.node.refuse(HANDSHAKE) is None
            assert house.told(events.RateLimited) == [
                events.RateLimited("connects_per_address", address=HANDSHAKE.address)
            ]

    async def test_who_has_no_address_is_not_refused(self) -> None:
        """As behind a proxy on a Unix socket, which would be one address for all."""
        async with House(limits=limited(connects_per_address="1/10s")) as house:
            nobody = HANDSHAKE.__class__("/", {}, {}, None, "h", "", ())
            assert [house.node.refuse(nobody) for _ in range(3)] == [None, None, None]


async def test_without_limits_nothing_is_watched() -> None:
    async with House() as house:
        ada = await house.caller("ada", wire=Wire())
        assert ada.connection._moderation is None
        ada.say(*commands(10, 500))
        await until(lambda: len(errors(ada)) == 500)
        assert errors(ada) == [UNKNOWN] * 500
