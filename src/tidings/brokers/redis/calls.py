"""Calls that outlast a broken line: waited for, repeated where that is safe, and given up in time.

What a refusal means is decided here, by its first word: the server may not be ready yet, it may not have the key, or it
may mean no.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from tidings.brokers.link import LineLost
from tidings.brokers.redis.fleet import Fleet
from tidings.brokers.redis.line import Line, ReplyError, Word
from tidings.brokers.redis.patience import Patience
from tidings.brokers.redis.reign import MICROSECONDS, Reign
from tidings.brokers.redis.scripts import Script
from tidings.errors import BrokerUnavailable

NOT_READY = frozenset({"LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN"})
"""Refusals that end by themselves."""

NOT_HERE = frozenset({"MOVED", "ASK", "READONLY", "UNBLOCKED"})
"""Refusals of a server that is not, or is no more, the one to ask."""

RETRY_PAUSE = 0.05
"""Seconds between a refusal that may end by itself and the next attempt."""

MARGIN = 0.2
"""Seconds by which a first attempt is taken to be earlier than it was: clocks are compared over a network."""


class Fate:
    """What may have become of a publication: whether an attempt is under way, and which one was lost first."""

    def __init__(self) -> None:
        self.is_under_way = False
        self.lost: tuple[Reign, float] | None = None
        """The first attempt of which nobody knows what became: where it went, and when, in the loop's time."""

    @property
    def is_unknown(self) -> bool:
        """Whether it may have been published although nobody has said so."""
        return self.is_under_way or self.lost is not None

    def arguments(self, reign: Reign, *, timed: bool) -> tuple[Word, ...]:
        """The last arguments of a script that recognises its repetition, for an attempt that goes to `reign`."""
        if self.lost is None:
            return ("", 0) if timed else ("",)
        first, began = self.lost
        # The server's clock may have drifted, or have been set, since it was compared; and between the attempts, too.
        moment = min(first.microseconds(began), reign.microseconds(began)) - round(MARGIN * MICROSECONDS)
        return (first.id, moment) if timed else (first.id,)


class Calls:
    """Makes calls to whichever server has the key.

    `timeout` bounds each, in seconds, waiting and repeating included. `verb` is the command that publishes. At most
    `queue_limit` publications wait for a server that is away. Every method raises `BrokerUnavailable`.
    """

    def __init__(self, fleet: Fleet, verb: bytes, *, timeout: float, queue_limit: int) -> None:
        self._fleet = fleet
        self._verb = verb
        self._timeout = timeout
        self._patience = Patience(timeout)
        self._queue_limit = queue_limit
        self._outstanding = 0
        self._stopped = ""

    def stop(self, reason: str) -> None:
        """Make all later calls fail, and those that wait as soon as their servers are gone."""
        self._stopped = reason

    async def run(self, script: Script, keys: Sequence[str], *arguments: Word) -> Any:
        """Run a script that may safely be run twice."""
        return await self.call(keys[0], b"EVALSHA", script.digest, len(keys), *keys, *arguments, script=script)

    async def call(self, key: str, *words: Word, script: Script | None = None) -> Any:
        """Make a call that may safely be made twice."""
        return await self._bounded(self._until_answered(key, words, script))

    async def send(self, name: str, message: bytes) -> None:
        """Send to whoever hears a pub/sub channel. Never done twice."""
        fate = Fate()
        await self._publishing(self._until_answered(name, (self._verb, name, message), None, fate), fate)

    async def publish(self, script: Script, keys: Sequence[str], arguments: Sequence[Word], *, timed: bool) -> Any:
        """Run a script that recognises its repetition.

        It gets the reign of a first attempt as one more argument, "" the first time, and with `timed` the time as
        another.
        """
        fate = Fate()
        return await self._publishing(self._until_known(script, keys, arguments, fate, timed=timed), fate)

    async def bear(self, refusal: ReplyError) -> None:
        """Wait until another attempt makes sense. Raises `BrokerUnavailable` where it never does."""
        if refusal.kind in NOT_HERE:
            self._fleet.doubt()
        elif refusal.kind not in NOT_READY:
            raise BrokerUnavailable(f"the broker refuses: {refusal}") from refusal
        await asyncio.sleep(RETRY_PAUSE)

    def check_stopped(self) -> None:
        """Raise `BrokerUnavailable` once all this was stopped: a lost line does not come back then."""
        if self._stopped:
            raise BrokerUnavailable(self._stopped)

    # Bounds.

    async def _bounded(self, work: Coroutine[Any, Any, Any]) -> Any:
        if self._stopped:
            work.close()
            raise BrokerUnavailable(self._stopped)
        try:
            async with self._patience.wait():
                return await work
        except TimeoutError:
            raise BrokerUnavailable(f"no answer within {self._timeout:g} s: {self._reason()}") from None

    async def _publishing(self, work: Coroutine[Any, Any, Any], fate: Fate) -> Any:
        if self._outstanding >= self._queue_limit and self._is_away():
            work.close()
            raise BrokerUnavailable(f"{self._outstanding} publications wait for the broker already: {self._reason()}")
        self._outstanding += 1
        try:
            return await self._bounded(work)
        except BrokerUnavailable as error:
            if fate.is_unknown:
                raise BrokerUnavailable(f"outcome unknown: {error.message}") from error
            raise
        finally:
            self._outstanding -= 1

    def _is_away(self) -> bool:
        servers = self._fleet.servers()
        return not servers or any(server.commands.is_away for server in servers)

    def _reason(self) -> str:
        reasons = {server.commands.reason for server in self._fleet.servers() if server.commands.reason}
        return "; ".join(sorted(reasons)) or "the server does not answer"

    # Attempts.

    async def _until_answered(
        self, key: str, words: Sequence[Word], script: Script | None, once: Fate | None = None
    ) -> Any:
        """Call until there is an answer; with `once` no second time where the first may have been heard."""
        while True:
            try:
                server = await self._fleet.server(key)
                line = server.commands.line or await server.commands.wait()
                return await self._attempt(line, words, script, once)
            except LineLost as lost:
                if once is not None and lost.sent:
                    once.is_under_way = True
                    raise BrokerUnavailable(str(lost)) from lost
                self.check_stopped()
            except ReplyError as refusal:
                await self.bear(refusal)

    async def _until_known(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Word], fate: Fate, *, timed: bool
    ) -> Any:
        """Call until there is an answer, with a repetition that the script recognises."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                server = await self._fleet.server(keys[0])
                line = server.commands.line or await server.commands.wait()
                began, reign = loop.time(), server.reign
                assert reign is not None, "a line is up only when the reign is known"
                repetition = fate.arguments(reign, timed=timed)
                words = (b"EVALSHA", script.digest, len(keys), *keys, *arguments, *repetition)
                answer = await self._attempt(line, words, script, fate)
            except LineLost as lost:
                if lost.sent and fate.lost is None:
                    assert reign is not None, "it was known when the call was sent"
                    fate.lost = (reign, began)
                self.check_stopped()
            except ReplyError as refusal:
                await self.bear(refusal)
            else:
                if answer[0] == b"unknown":
                    raise BrokerUnavailable("nobody can tell any more whether it was published")
                return answer

    async def _attempt(self, line: Line, words: Sequence[Word], script: Script | None, fate: Fate | None = None) -> Any:
        fate = fate or Fate()
        try:
            fate.is_under_way = True
            answer = await line.call(*words)
        except ReplyError as refusal:
            fate.is_under_way = False
            if refusal.kind != "NOSCRIPT" or script is None:
                raise
        except LineLost:
            fate.is_under_way = False
            raise
        else:
            return answer
        # Somebody has flushed the scripts; sent as text, it is known again from then on.
        return await self._attempt(line, (b"EVAL", script.text, *words[2:]), None, fate)
