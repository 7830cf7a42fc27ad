"""Whether anybody, on any node, is subscribed to a channel: pure.

A node counts its own subscribers. When a channel here gets its first or loses its last one, the node waits for
`debounce` seconds whether that lasts, and then asks the others what they know (`begin`, `answer`, `conclude`):

    mine        I am about to say the same, and my id is the lower one: ask again later
    settled     it was said already, or somebody is still here: nothing is to be said
    free        go ahead; if I was about to say the same, I wait and ask again later

What a node then says to the world, it says to the others first (`said`, `hear`), so that they know how things stand. So
the first subscriber on any node is told of once, and so is the loss of the last. A node that does not answer counts as
gone. Whoever is asked about the end of a channel that it has subscribers in takes it over as said to be occupied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import chain, islice

from msgspec import Struct, msgpack

from tidings.gateway.transports.deadlines import Deadlines

SHORTEST = 0.2
"""Seconds until a claim is asked about again, at least."""


class Occupied(StrEnum):
    """What is said of a channel."""

    OCCUPIED = "occupied"
    VACATED = "vacated"


class Claim(Struct, frozen=True, array_like=True):
    """A node is about to say that a channel is occupied, or vacated, since `at`."""

    channel: str
    what: Occupied
    at: float


class Claims(Struct, frozen=True, array_like=True):
    """What one node asks all others at a time, or has said."""

    sender: str
    claims: list[Claim]


class Occupancy:
    """The channels of one node. `node` is its id; `debounce` is in seconds."""

    def __init__(self, node: str, debounce: float) -> None:
        self._node = node
        self._counts: dict[str, int] = {}
        self._settled: set[str] = set()
        """Channels that are said to be occupied, and that this node answers for."""
        self._pending: dict[str, Claim] = {}
        """What this node is about to say."""
        self._new: Deadlines[str] = Deadlines(debounce)
        """Channels whose claims have to last first."""
        self._put_off: Deadlines[str] = Deadlines(max(debounce, SHORTEST))
        """Those that another node will probably speak of."""

    def __len__(self) -> int:
        """How many claims are pending."""
        return len(self._pending)

    # What happens here.

    def subscribed(self, channel: str, now: float) -> None:
        self._counts[channel] = self._counts.get(channel, 0) + 1
        self._reconsider(channel, now)

    def unsubscribed(self, channel: str, now: float) -> None:
        count = self._counts.get(channel, 0) - 1
        if count > 0:
            self._counts[channel] = count
        else:
            self._counts.pop(channel, None)
        self._reconsider(channel, now)

    def deadline(self) -> float | None:
        """When the next claim is to be asked about. Costs the same however many are pending."""
        moments = (self._new.deadline(), self._put_off.deadline())
        return min((moment for moment in moments if moment is not None), default=None)

    # What is asked and said.

    def begin(self, now: float, limit: int, *, at_once: bool = False) -> list[Claim]:
        """At most `limit` claims that are to be asked about now; `at_once` does not wait for that."""
        due = self._pending if at_once else chain(self._new.late(now), self._put_off.late(now))
        return [self._pending[channel] for channel in islice(due, limit)]

    def answer(self, question: bytes, now: float) -> bytes:
        """What this node knows about another's claims. Its own question is not answered."""
        asked = msgpack.decode(question, type=Claims)
        if asked.sender == self._node:
            return b""
        return msgpack.encode([self._answer(asked.sender, claim, now) for claim in asked.claims])

    def conclude(self, claims: list[Claim], answers: Iterable[bytes], now: float) -> list[Claim]:
        """What is to be said now, of the claims that were asked about."""
        heard = [one for one in map(_opinions, answers) if one]
        said = []
        for index, claim in enumerate(claims):
            if self._pending.get(claim.channel) != claim:
                continue  # It did not last, or another node has said it meanwhile; who waits for this one asks again.
            opinions = {answer[index] for answer in heard if index < len(answer)}
            if "settled" not in opinions and "mine" in opinions:
                self._ask_later(claim.channel, now)
                continue
            self._settle(claim)
            if "settled" not in opinions:
                said.append(claim)
        return said

    def hear(self, said: bytes, now: float) -> bytes:
        """Another node has said something."""
        heard = msgpack.decode(said, type=Claims)
        for claim in heard.claims if heard.sender != self._node else ():
            channel = claim.channel
            if claim.what is Occupied.VACATED:
                self._settled.discard(channel)
            elif channel in self._counts:
                self._settled.add(channel)
            if (own := self._pending.get(channel)) is not None and own.what is claim.what:
                self._forget(channel)
            self._reconsider(channel, now)
        return b""

    # Private steps.

    def _reconsider(self, channel: str, now: float) -> None:
        """Begin or withdraw a claim, now that the count may be another."""
        is_here, is_settled = channel in self._counts, channel in self._settled
        if is_here == is_settled:
            self._forget(channel)
        elif channel not in self._pending:
            what = Occupied.OCCUPIED if is_here else Occupied.VACATED
            self._pending[channel] = Claim(channel, what, now)
            self._new.add(channel, now)

    def _answer(self, asker: str, claim: Claim, now: float) -> str:
        channel = claim.channel
        if claim.what is Occupied.OCCUPIED and channel in self._settled:
            return "settled"
        if claim.what is Occupied.VACATED and channel in self._counts:
            self._settled.add(channel)  # The asker answered for it until now.
            self._forget(channel)
            return "settled"
        own = self._pending.get(channel)
        if own is None or own.what is not claim.what:
            return "free"
        if self._node < asker:
            return "mine"
        self._ask_later(channel, now)
        return "free"

    def _ask_later(self, channel: str, now: float) -> None:
        """Another node will probably say it."""
        self._not_due(channel)
        self._put_off.add(channel, now)

    def _forget(self, channel: str) -> None:
        self._pending.pop(channel, None)
        self._not_due(channel)

    def _not_due(self, channel: str) -> None:
        self._new.discard(channel)
        self._put_off.discard(channel)

    def _settle(self, claim: Claim) -> None:
        self._forget(claim.channel)
        if claim.what is Occupied.OCCUPIED:
            self._settled.add(claim.channel)
        else:
            self._settled.discard(claim.channel)


def _opinions(answer: bytes) -> list[str]:
    """What another node said; none where nobody can read it, since that may be a node of another version."""
    try:
        return msgpack.decode(answer, type=list[str])
    except ValueError:
        return []


def letter(node: str, claims: list[Claim]) -> bytes:
    """A node's claims as they travel; see `Occupancy.answer` and `Occupancy.hear`."""
    return msgpack.encode(Claims(node, claims))


def others(answers: Mapping[str, bytes], node: str) -> list[bytes]:
    """The answers of all nodes but this one."""
    return [answer for name, answer in answers.items() if name != node]
