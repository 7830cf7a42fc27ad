"""Tells an endpoint which channels are occupied: asks the other nodes, says what is new, and repeats what failed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tidings import events
from tidings.channels import names
from tidings.channels.namespaces import Namespaces
from tidings.clock import Clock
from tidings.errors import BrokerUnavailable
from tidings.gateway.neighbours import Neighbours
from tidings.gateway.webhooks import requests
from tidings.gateway.webhooks.notices import Notices
from tidings.gateway.webhooks.occupancy import Claim, Occupancy, letter, others
from tidings.gateway.webhooks.terms import Event
from tidings.hooks import Hooks

QUESTION, SAID = "occupancy", "occupancy said"

HEARING = 0.05
"""Seconds that the other nodes may take to confirm what they were told; nothing depends on it."""

BATCH = 500
"""Channels in one question, and in one notice."""

PAUSE = 1.0
"""Seconds until the other nodes are asked again, when they could not be."""


class States:
    """Listens to facts (as a listener of `Hooks`) about channels of namespaces with `state_proxy`.

    It owns a task only while something is about to be said.
    """

    def __init__(
        self,
        node: str,
        neighbours: Neighbours,
        namespaces: Namespaces,
        notices: Notices,
        hooks: Hooks,
        clock: Clock,
        *,
        debounce: float,
    ) -> None:
        self._node = node
        self._neighbours = neighbours
        self._namespaces = namespaces
        self._notices = notices
        self._hooks = hooks
        self._clock = clock
        self._occupancy = Occupancy(node, debounce)
        self._working: asyncio.Task[None] | None = None
        self._stopped = False
        neighbours.answers[QUESTION] = lambda asked: self._occupancy.answer(asked, clock.now())
        neighbours.answers[SAID] = lambda said: self._heard(said)

    def __call__(self, fact: events.Fact) -> None:
        match fact:
            case events.Subscribed(channel=channel) if self._concerns(channel):
                self._occupancy.subscribed(channel, self._clock.now())
            case events.Unsubscribed(channel=channel) if self._concerns(channel):
                self._occupancy.unsubscribed(channel, self._clock.now())
            case _:
                return
        self._begin()

    async def stop(self) -> None:
        """Say at once what is left to be said. To be called while the other nodes can still be asked."""
        self._stopped = True
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])
        # Each once: what is put off is another node's to say, and asking it until it has could take minutes.
        claims = self._occupancy.begin(self._clock.now(), len(self._occupancy), at_once=True)
        try:
            for first in range(0, len(claims), BATCH):
                await self._say(claims[first : first + BATCH])
        except BrokerUnavailable:
            # Nobody can say whether somebody else is there.
            for _ in range(len(self._occupancy)):
                self._hooks.announce(events.NoticeQueued(Event.STATE))
            self._hooks.announce(events.NoticesDropped(Event.STATE, "stopped", len(self._occupancy)))

    # Private steps.

    def _begin(self) -> None:
        if len(self._occupancy) and self._working is None and not self._stopped:
            self._working = asyncio.get_running_loop().create_task(self._work(), name="states of channels")

    def _heard(self, said: bytes) -> bytes:
        answer = self._occupancy.hear(said, self._clock.now())
        self._begin()
        return answer

    def _concerns(self, channel: str) -> bool:
        namespace = names.namespace(channel)
        return self._namespaces.knows(namespace) and self._namespaces.options(channel).state_proxy

    async def _work(self) -> None:
        """Until nothing is pending. One question at a time, so that a node's own claims do not cross."""
        try:
            while (due := self._occupancy.deadline()) is not None:
                now = self._clock.now()
                if due > now:
                    await asyncio.sleep(due - now)
                    continue
                try:
                    await self._say(self._occupancy.begin(now, BATCH))
                except BrokerUnavailable:
                    await asyncio.sleep(PAUSE)
        finally:
            self._working = None

    async def _say(self, claims: list[Claim]) -> None:
        answers = await self._neighbours.ask(QUESTION, letter(self._node, claims))
        said = self._occupancy.conclude(claims, others(answers, self._node), self._clock.now())
        if not said:
            return
        try:
            with suppress(BrokerUnavailable):  # They will ask, then.
                await self._neighbours.ask(SAID, letter(self._node, said), deadline=HEARING)
        finally:  # Also where the node stops meanwhile: it is settled, and nobody would say it any more.
            happened = [requests.StateEvent(int(claim.at * 1000), claim.channel, claim.what) for claim in said]
            self._notices.add(Event.STATE, "", requests.states(happened, number=self._notices.number()))
