"""Nodes know of each other, and answer each other's questions in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.gateway.house import House
from tests.gateway.town import Deaf, Town
from tests.gateway.wire import PATIENCE, turn

from tidings.app.api.methods import Api
from tidings.app.api.requests import ChannelsRequest, InfoRequest
from tidings.brokers.memory import MemoryBroker
from tidings.errors import BrokerUnavailable
from tidings.gateway import control

pytestmark = pytest.mark.shell

LEASE = 30.0
AT_ONCE = 0.05
"""A deadline that comes soon, for questions that somebody does not answer."""


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with Town() as town:
        for house, name in zip(town.houses, (b"here", b"there"), strict=True):
            house.node.neighbours.answers["name"] = lambda details, name=name: name + details
        yield town


@pytest.fixture
async def deaf(town: Town) -> AsyncIterator[MemoryBroker]:
    """A third node, which is known and does not answer."""
    broker = MemoryBroker(town.clock, town.backend)
    await broker.start(Deaf())
    await broker.join("deaf", b"", LEASE)
    yield broker
    await broker.stop()


def api(house: House) -> Api:
    return Api(house.node, rpc={}, name="a house")


class TestQuestions:
    async def test_all_nodes_answer(self, town: Town) -> None:
        """The one that asks among them, each by its id."""
        answers = await town.here.node.neighbours.ask("name", b" of 2")
        assert answers == {town.here.node.id: b"here of 2", town.there.node.id: b"there of 2"}

    async def test_one_that_never_answers_is_not_waited_for(self, town: Town, deaf: MemoryBroker) -> None:
        """At the deadline there are the answers of the others."""
        async with asyncio.timeout(PATIENCE):
            answers = await town.here.node.neighbours.ask("name", deadline=AT_ONCE)
        assert answers == {town.here.node.id: b"here", town.there.node.id: b"there"}

    async def test_one_whose_lease_has_run_out_is_not_asked(self, town: Town, deaf: MemoryBroker) -> None:
        """Then the answers are complete without it, and no deadline is waited for."""
        town.clock.advance(LEASE)
        for house in town.houses:
            await house.node.neighbours.join()
        async with asyncio.timeout(PATIENCE):
            answers = await town.here.node.neighbours.ask("name", deadline=10 * PATIENCE)
        assert len(answers) == 2

    async def test_a_node_that_left_is_not_asked(self, town: Town) -> None:
        await town.there.node.stop()
        async with asyncio.timeout(PATIENCE):
            assert await town.here.node.neighbours.ask("name", deadline=10 * PATIENCE) == {town.here.node.id: b"here"}

    async def test_many_questions_at_once(self, town: Town) -> None:
        """Each gets its own answers, from both sides."""
        questions = [
            house.node.neighbours.ask("name", str(number).encode()) for number in range(20) for house in town.houses
        ]
        for number, answers in enumerate(await asyncio.gather(*questions)):
            assert sorted(answers.values()) == [b"here%d" % (number // 2), b"there%d" % (number // 2)]

    async def test_an_answer_that_comes_too_late_is_nobodys(self, town: Town, deaf: MemoryBroker) -> None:
        await town.here.node.neighbours.ask("name", deadline=AT_ONCE)
        await deaf.send(control.encode("deaf", control.Answer(0, b"late")), town.here.node.id)
        assert len(await town.here.node.neighbours.ask("name", deadline=AT_ONCE)) == 2

    async def test_a_question_that_is_given_up_leaves_nothing(self, town: Town, deaf: MemoryBroker) -> None:
        asking = asyncio.create_task(town.here.node.neighbours.ask("name", deadline=10 * PATIENCE))
        await turn()
        asking.cancel()
        await asyncio.wait([asking])
        assert town.here.node.neighbours._surveys == {}

    async def test_without_the_broker_nobody_can_be_asked(self, town: Town) -> None:
        await town.here.node.hub.stop()
        with pytest.raises(BrokerUnavailable):
            await town.here.node.neighbours.ask("name")


class TestStrangeMessages:
    """A node of another version, or a stranger, may send anything."""

    async def heard(self, town: Town, message: bytes) -> None:
        await town.broker.send(message, town.here.node.id)
        await turn()

    @pytest.mark.parametrize(
        "message",
        [
            b"",
            b"\xc1",
            b"hello",
            msgspec.msgpack.encode(["another", {"kind": "sing"}]),
            control.encode("another", control.Answer(99, b"to a question that nobody asked")),
            control.encode("another", control.Ask(1, "a question of the next version")),
        ],
        ids=["nothing", "no message", "no letter", "no kind", "no question", "no answer"],
    )
    async def test_they_are_passed_over(self, town: Town, message: bytes) -> None:
        ada = await town.here.caller("ada")
        await self.heard(town, message)
        assert ada.wire.end is None
        assert len(await town.here.node.neighbours.ask("name")) == 2

    async def test_nobody_answers_themselves(self, town: Town) -> None:
        """A broker hands a node what it has said itself, too."""
        ada = await town.here.caller("ada")
        await self.heard(town, control.encode(town.here.node.id, control.Disconnect("ada", 4500, "")))
        assert ada.wire.end is None


class TestApi:
    async def test_info_tells_of_all_nodes(self, town: Town) -> None:
        apis = {house: api(house) for house in town.houses}
        await town.there.caller("ada", "news")
        found = {node.uid: node for node in (await apis[town.here].info(InfoRequest())).nodes}
        here, there = found[town.here.node.id], found[town.there.node.id]
        assert (here.num_clients, here.num_subs) == (0, 0)
        assert (there.num_clients, there.num_users, there.num_channels, there.num_subs) == (1, 1, 1, 1)

    async def test_channels_are_counted_over_all_nodes(self, town: Town) -> None:
        apis = {house: api(house) for house in town.houses}
        await town.here.caller("ada", "news", "kept:x")
        await town.there.caller("bob", "news", "kept:y")
        for house in town.houses:
            found = (await apis[house].channels(ChannelsRequest())).channels
            assert {name: info.num_clients for name, info in found.items()} == {"news": 2, "kept:x": 1, "kept:y": 1}
            some = (await apis[house].channels(ChannelsRequest(pattern="kept:*"))).channels
            assert sorted(some) == ["kept:x", "kept:y"]

    async def test_they_answer_though_a_node_has_died(self, town: Town, deaf: MemoryBroker) -> None:
        """With what the others say, at the deadline."""
        apis = {house: api(house) for house in town.houses}
        await town.there.caller("ada", "news")
        async with asyncio.timeout(PATIENCE):
            assert len((await apis[town.here].info(InfoRequest())).nodes) == 2
            assert list((await apis[town.here].channels(ChannelsRequest())).channels) == ["news"]


async def test_a_node_is_known_while_it_lives(town: Town) -> None:
    """By its signs of life, for a lease after the last one, and no longer once it has left."""
    ids = {house.node.id for house in town.houses}
    assert (await town.broker.nodes()).keys() == ids
    town.clock.advance(LEASE - 1)
    await town.there.node.neighbours.join()
    town.clock.advance(2)
    assert (await town.broker.nodes()).keys() == {town.there.node.id}
    await town.here.node.neighbours.join()
    await town.here.node.stop()
    assert (await town.broker.nodes()).keys() == {town.there.node.id}


async def test_a_node_alone_answers_itself() -> None:
    """Nobody is asked, so nothing is waited for."""
    async with House() as house:
        house.node.neighbours.answers["name"] = lambda details: b"alone"
        assert await house.node.neighbours.ask("name") == {house.node.id: b"alone"}
