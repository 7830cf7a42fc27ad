"""The other nodes: being known to them, telling them something, asking them all.

Nobody waits for a node that does not answer. A node that died is known until its lease runs out; a question to all is
then answered by the others when its deadline comes.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from tidings.brokers.base import Broker, ConnectsNodes
from tidings.channels.errands import Errands
from tidings.errors import BrokerUnavailable
from tidings.gateway.control import Answer, AnyMessage, Ask, decode, encode

DEADLINE = 1.0
"""Seconds that a question to all nodes may take."""

Answering = Callable[[bytes], bytes]
"""Answers a question of other nodes: its details in, the answer out. Does not wait."""


class Neighbours:
    """What a node knows of the others. With a broker that connects no nodes there are none.

    `hear` gets the orders of others. `answers` are the questions that this node can answer; add to them before the
    start. `lease` is how long it is believed to live after its last sign of life, in seconds.
    """

    def __init__(self, broker: Broker, node: str, *, lease: float, hear: Callable[[AnyMessage], None]) -> None:
        self._broker = broker if isinstance(broker, ConnectsNodes) else None
        self._node = node
        self._lease = lease
        self._hear = hear
        self._numbers = itertools.count()
        self._surveys: dict[int, _Survey] = {}
        self._errands = Errands()
        self.answers: dict[str, Answering] = {}

    # Life.

    async def join(self) -> None:
        """Be known for another lease. Raises `BrokerUnavailable`."""
        if self._broker is not None:
            await self._broker.join(self._node, b"", self._lease)

    async def quit(self) -> None:
        """Be known no longer. What cannot be told now ends with the lease."""
        await self._errands.wait_idle()
        if self._broker is not None:
            with suppress(BrokerUnavailable):
                await self._broker.quit(self._node)

    # Speaking.

    async def tell(self, message: AnyMessage) -> None:
        """Tell all other nodes. Raises `BrokerUnavailable`."""
        if self._broker is not None:
            await self._broker.send(encode(self._node, message))

    async def ask(self, question: str, details: bytes = b"", *, deadline: float = DEADLINE) -> Mapping[str, bytes]:
        """The answers of all nodes, this one among them, by node; of those that answer within `deadline` seconds.

        Raises `BrokerUnavailable` when the others cannot be asked.
        """
        own = {self._node: self.answers[question](details)}
        if self._broker is None:
            return own
        others = (await self._broker.nodes()).keys() - {self._node}
        if not others:
            return own
        number = next(self._numbers)
        survey = self._surveys[number] = _Survey(others)
        try:
            await self.tell(Ask(number, question, details))
            with suppress(TimeoutError):
                async with asyncio.timeout(deadline):
                    await survey.complete.wait()
        finally:
            del self._surveys[number]
        return own | survey.answers

    # Hearing.

    def on_message(self, data: bytes) -> None:
        letter = decode(data)
        if letter is None or letter.sender == self._node:
            return
        match letter.message:
            case Ask(number, question, details):
                self._answer(letter.sender, number, question, details)
            case Answer(number, content):
                if (survey := self._surveys.get(number)) is not None:
                    survey.take(letter.sender, content)
            case order:
                self._hear(order)

    def _answer(self, asker: str, number: int, question: str, details: bytes) -> None:
        if (answering := self.answers.get(question)) is not None:
            # Not here: a question that cannot be answered must not harm the line that it came over.
            self._errands.add(asker, partial(self._send, asker, number, partial(answering, details)))

    async def _send(self, asker: str, number: int, answering: Callable[[], bytes]) -> None:
        assert self._broker is not None
        answer = encode(self._node, Answer(number, answering()))
        with suppress(BrokerUnavailable):
            await self._broker.send(answer, asker)


class _Survey:
    """The answers that have come, and whether all expected ones have."""

    def __init__(self, expected: set[str]) -> None:
        self._expected = set(expected)
        self.answers: dict[str, bytes] = {}
        self.complete = asyncio.Event()

    def take(self, node: str, answer: bytes) -> None:
        self.answers[node] = answer
        self._expected.discard(node)
        if not self._expected:
            self.complete.set()
