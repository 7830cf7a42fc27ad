"""What comes first: the reply to a subscribe, or the publications; and whether they are all there, each once.

Publishers and subscribers run side by side over a broker that takes a random number of loop turns for everything, and
hands publications over some turns after it has them, so that one comes at each possible moment of a subscribe. The same
seeds give the same order of events.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from random import Random
from typing import Any

import pytest
from tests.gateway.house import House
from tests.gateway.wire import Caller

from tidings.brokers.base import NO_GUARD, Accepted, Guard, Page, Receiver, Retention
from tidings.brokers.memory import MemoryBroker
from tidings.channels.errands import Errands
from tidings.clock import ManualClock
from tidings.gateway import desk
from tidings.gateway.connection import Connection
from tidings.gateway.node import Node
from tidings.gateway.session.steps import Question
from tidings.gateway.transports.base import Transport
from tidings.gateway.transports.handshake import Handshake
from tidings.model import ClientInfo, Publication
from tidings.wire.centrifuge.codec import Codec

pytestmark = pytest.mark.shell

PLAIN, KEPT = "news", "kept:x"
SEEDS = range(150)
PUBLISHERS = 3
EACH = 8
BEFORE = 6
"""Publications that are there before anybody subscribes."""


class Post:
    """Hands everything to the node in order, and some time later."""

    def __init__(self, receiver: Receiver, turns: Callable[[], Awaitable[None]]) -> None:
        self.errands = Errands()
        self._receiver = receiver
        self._turns = turns

    def on_publication(self, channel: str, publication: Publication, epoch: str) -> None:
        self.errands.add(channel, partial(self._hand_over, channel, publication, epoch))

    def on_join(self, channel: str, info: ClientInfo) -> None: ...

    def on_leave(self, channel: str, info: ClientInfo) -> None: ...

    def on_resumed(self, channels: Collection[str]) -> None: ...

    def on_interrupted(self, reason: str) -> None: ...

    def on_message(self, message: bytes) -> None: ...

    async def _hand_over(self, channel: str, publication: Publication, epoch: str) -> None:
        await self._turns()
        self._receiver.on_publication(channel, publication, epoch)


class Unsteady(MemoryBroker):
    """Takes up to three loop turns before everything, and up to three after."""

    def __init__(self, random: Random) -> None:
        super().__init__(ManualClock())
        self._random = random

    async def turns(self) -> None:
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(0)

    async def start(self, receiver: Receiver) -> None:
        self.post = Post(receiver, self.turns)
        await super().start(self.post)

    async def subscribe(self, channel: str) -> None:
        await self.turns()
        await super().subscribe(channel)
        await self.turns()

    async def unsubscribe(self, channel: str) -> None:
        await self.turns()
        await super().unsubscribe(channel)

    async def publish(self, channel: str, publication: Publication, *, guard: Guard = NO_GUARD) -> Accepted:
        await self.turns()
        return await super().publish(channel, publication, guard=guard)

    async def append(
        self, channel: str, publication: Publication, retention: Retention, *, guard: Guard = NO_GUARD
    ) -> Accepted:
        await self.turns()
        return await super().append(channel, publication, retention, guard=guard)

    async def read(
        self,
        channel: str,
        retention: Retention,
        *,
        since: int | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Page:
        await self.turns()
        page = await super().read(channel, retention, since=since, limit=limit, reverse=reverse)
        await self.turns()
        return page


class Hesitant(Connection):
    """Waits a moment between the answer and its effects, which is what a connection must not do."""

    async def _find_answers(self, question: Question | None) -> None:
        while question is not None:
            answer = await desk.answer(question, self, self._premises)
            await asyncio.sleep(0)
            question = self._perform_all(self._session.answer(answer, self._now()))


class HesitantNode(Node):
    def join(self, transport: Transport, codec: Codec, handshake: Handshake) -> Connection:
        return Hesitant(f"c{len(self.connections)}", transport, codec, handshake, self._premises, jitter=0.5)


class Storm:
    """One run. `subscribers` have come and gone while everybody published; `listing` is the channel's whole story."""

    def __init__(self, seed: int, channel: str, kind: type[Node]) -> None:
        self._random = Random(seed)
        self._broker = Unsteady(self._random)
        self._channel = channel
        self.house = House(broker=self._broker, kind=kind)
        self.subscribers: list[Caller] = []

    async def blow(self, *, recovers: bool = False) -> None:
        async with self.house as house:
            witness = Caller(house.node)
            await witness.connect("witness")
            if self._channel == PLAIN:
                await witness.subscribe(self._channel)
            for number in range(BEFORE):
                await house.publish(self._channel, number)
            self.subscribers = [await house.caller(f"user-{number}") for number in range(4)]
            async with asyncio.TaskGroup() as group:
                for publisher in range(PUBLISHERS):
                    group.create_task(self._publish(publisher))
                for caller in self.subscribers:
                    group.create_task(self._come_and_go(caller, recovers=recovers))
            await self._broker.post.errands.wait_idle()
            self.listing = witness.data(self._channel) if self._channel == PLAIN else await self._kept()

    async def _kept(self) -> list[Any]:
        page = await self.house.node.hub.history(self._channel)
        return [json.loads(publication.data) for publication in page.publications]

    async def _publish(self, publisher: int) -> None:
        for number in range(EACH):
            await self._broker.turns()
            await self.house.publish(self._channel, [publisher, number])

    async def _come_and_go(self, caller: Caller, *, recovers: bool) -> None:
        """Subscribe, perhaps leave and come back, and stay."""
        request: dict[str, Any] = {}
        if recovers:
            page = await self.house.node.hub.history(self._channel, limit=0)
            request = {"recover": True, "offset": self._random.randrange(BEFORE), "epoch": page.top.epoch}
        for _ in range(self._random.randrange(2)):
            await self._broker.turns()
            caller.begin({"subscribe": {"channel": self._channel}})
            await self._broker.turns()
            await caller.ask({"unsubscribe": {"channel": self._channel}})
        await self._broker.turns()
        assert "subscribe" in await caller.subscribe(self._channel, **request)


def untimely(heard: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The publications that a client was sent while no reply had told it that it is subscribed."""
    live, found = False, []
    for message in heard:
        live = (live or "subscribe" in message) and "unsubscribe" not in message
        if "push" in message and not live:
            found.append(message)
    return found


def since_the_last_reply(heard: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The last reply to a subscribe, and the publications after it."""
    place = max(index for index, message in enumerate(heard) if "subscribe" in message)
    return heard[place]["subscribe"], [message["push"]["pub"] for message in heard[place + 1 :] if "push" in message]


@pytest.mark.parametrize("channel", [PLAIN, KEPT])
async def test_the_reply_comes_before_the_publications(channel: str) -> None:
    """Whatever happens at whichever moment, and not a single one after the reply to an unsubscribe."""
    for seed in SEEDS:
        storm = Storm(seed, channel, Node)
        await storm.blow()
        assert [untimely(caller.heard) for caller in storm.subscribers] == [[], [], [], []], f"seed {seed}"


async def test_a_hesitant_connection_is_found_out() -> None:
    """The same run over a connection that is wrong shows it, and not only with a lucky seed."""
    found = 0
    for seed in SEEDS[:20]:
        storm = Storm(seed, PLAIN, HesitantNode)
        await storm.blow()
        found += any(untimely(caller.heard) for caller in storm.subscribers)
    assert found > 2


async def test_after_the_reply_everything_comes_once_and_in_order() -> None:
    """In a channel without history: the story from some point on, as everybody else hears it."""
    for seed in SEEDS:
        storm = Storm(seed, PLAIN, Node)
        await storm.blow()
        assert len(storm.listing) == BEFORE + PUBLISHERS * EACH
        for caller in storm.subscribers:
            _, live = since_the_last_reply(caller.heard)
            assert [pub["data"] for pub in live] == storm.listing[len(storm.listing) - len(live) :], f"seed {seed}"


async def test_after_the_position_in_the_reply_everything_comes_once_and_in_order() -> None:
    """In a channel with history: from the offset that the reply names up to the last, without a hole."""
    for seed in SEEDS:
        storm = Storm(seed, KEPT, Node)
        await storm.blow()
        for caller in storm.subscribers:
            reply, live = since_the_last_reply(caller.heard)
            offsets = [pub["offset"] for pub in live]
            assert offsets == list(range(reply.get("offset", 0) + 1, len(storm.listing) + 1)), f"seed {seed}"
            assert [pub["data"] for pub in live] == storm.listing[reply["offset"] :]


async def test_what_was_missed_and_what_is_live_are_joined() -> None:
    """A client that recovers gets all that it missed and all that came meanwhile, each once, whatever the moment."""
    joins = 0
    for seed in SEEDS:
        storm = Storm(seed, KEPT, Node)
        await storm.blow(recovers=True)
        for caller in storm.subscribers:
            reply, live = since_the_last_reply(caller.heard)
            assert reply["recovered"], f"seed {seed}"
            missed = reply.get("publications", [])
            offsets = [pub["offset"] for pub in [*missed, *live]]
            assert offsets == list(range(reply.get("offset", 0) + 1, len(storm.listing) + 1)), f"seed {seed}"
            joins += len(missed) > BEFORE and bool(live)
    assert joins > 50
