"""The NATS broker: at most once, and nothing is kept.

What goes to a channel is published to its subject, and everybody who asked for that subject hears it. Order and
delivery are as in `tidings.brokers.base`. What is NATS' own:

Taken
    NATS answers nothing to a publication. `publish` returns when a word that the node sent to itself after it has come
    back, which concurrent publications share. Then the server of this node has it. Between the servers of a cluster it
    travels on at most once, and a subscription that was just made on another server may not be known yet.
Away
    A publication waits up to `publish_timeout` for a server that is away, at most `publish_queue_limit` of them; then
    it raises. If the connection broke while it was under way, `BrokerUnavailable` says "outcome unknown". It is never
    sent again, and never accepted and dropped.
Back again
    The channels are asked for anew, and the node hears which ones. What was said meanwhile is lost.
Repetition
    Nothing recognises one: a guard with an idempotency key raises `NotAvailable`, and a version counts for nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Mapping
from contextlib import suppress

from tidings.brokers.base import NO_GUARD, Accepted, Guard, Receiver
from tidings.brokers.link import LineLost, Link, OnLost, Vigilance
from tidings.brokers.nats import envelope
from tidings.brokers.nats.address import Address
from tidings.brokers.nats.envelope import Card
from tidings.brokers.nats.line import Line, Refused, forget
from tidings.brokers.nats.registry import Registry
from tidings.brokers.nats.subjects import Subjects
from tidings.clock import Clock
from tidings.errors import BrokerUnavailable, LimitExceeded, NotAvailable
from tidings.model import ClientInfo, Publication

REACH_TIMEOUT = 1.0

VIGILANCE = Vigilance(resume_timeout=30.0)
"""Asking for all channels anew takes a step for each."""

GATHERING = 0.25
"""Seconds from the question who is there until the answers count as complete."""

STOPPED = "the broker is not running"
UNKNOWN = "outcome unknown: the broker was lost before it confirmed"


class NatsBroker:
    """A node on NATS: a `Broker` that connects nodes. It keeps neither history nor presence nor anything else.

    `publish_timeout` is in seconds. Raises `SettingsError` for certificates, or a prefix, that cannot be used.
    """

    def __init__(
        self,
        address: Address,
        clock: Clock,
        *,
        prefix: str = "tidings",
        publish_timeout: float = 5.0,
        publish_queue_limit: int = 10000,
    ) -> None:
        self._subjects = Subjects(prefix)
        self._address = address
        self._context = address.tls.context() if address.tls else None
        self._clock = clock
        self._timeout = publish_timeout
        self._queue_limit = publish_queue_limit
        self._name = secrets.token_hex(8)
        self._endpoints = itertools.cycle(address.endpoints)
        self._link: Link[Line] | None = None
        self._receiver: Receiver | None = None
        self._registry = Registry()
        self._asked = 0.0
        # What the node wants to hear: subjects, with their channels or None.
        self._wanted: dict[str, str | None] = {}
        self._outstanding = 0

    def __repr__(self) -> str:
        return f"<NatsBroker at {self._address}>"

    # Life.

    async def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._wanted.setdefault(self._subjects.nodes, None)
        if self._link is None:
            self._link = Link(
                f"to {self._address}", self._open, on_up=self._resume, on_down=self._interrupt, vigilance=VIGILANCE
            )
        self._link.start()
        try:
            async with asyncio.timeout(self._timeout):
                await self._link.wait()
        except (TimeoutError, LineLost):
            raise BrokerUnavailable(f"{self._address}: {self._link.reason}") from None

    async def stop(self) -> None:
        link, self._link, self._receiver = self._link, None, None
        self._wanted = {}
        self._registry = Registry()
        if link is not None:
            await link.stop(STOPPED)

    async def reach(self) -> None:
        line = self._running().line
        if line is None:
            raise BrokerUnavailable(self._running().reason)
        try:
            async with asyncio.timeout(REACH_TIMEOUT):
                await line.probe().confirmed
        except TimeoutError:
            raise BrokerUnavailable(f"no answer within {REACH_TIMEOUT:g} s") from None
        except LineLost as lost:
            raise BrokerUnavailable(lost.reason) from lost

    # Channels.

    async def subscribe(self, channel: str) -> None:
        await self._hear(self._subjects.channel(channel), channel)

    async def unsubscribe(self, channel: str) -> None:
        await self._hear_no_more(self._subjects.channel(channel))

    async def publish(self, channel: str, publication: Publication, *, guard: Guard = NO_GUARD) -> Accepted:
        """Raises `NotAvailable` for a guard with an idempotency key, which NATS could not honour."""
        if guard.idempotency_key:
            raise NotAvailable("the broker does not recognise a repetition; publish without an idempotency key")
        message = envelope.encode_publication(publication, self._clock.now())
        await self._send(self._subjects.channel(channel), message)
        return Accepted()

    async def publish_join(self, channel: str, info: ClientInfo) -> None:
        await self._send(self._subjects.channel(channel), envelope.encode_join(info))

    async def publish_leave(self, channel: str, info: ClientInfo) -> None:
        await self._send(self._subjects.channel(channel), envelope.encode_leave(info))

    # Nodes.

    async def join(self, node: str, card: bytes, lease: float) -> None:
        """A renewal that cannot be told now is told as soon as the broker is back, if its lease lasts that long."""
        self._running()
        own = Card(node, card, lease)
        self._registry.join(own, self._now())
        await self._hear(self._subjects.all)
        await self._hear(self._subjects.node(node))
        await self._send(self._subjects.nodes, envelope.encode_card(own))

    async def quit(self, node: str) -> None:
        self._running()
        if self._registry.name == node:
            self._registry.quit()
        await self._hear_no_more(self._subjects.all)
        await self._hear_no_more(self._subjects.node(node))
        await self._send(self._subjects.nodes, envelope.encode_card(Card(node)))

    async def nodes(self) -> Mapping[str, bytes]:
        """Who has only just connected waits for the answers of the others, up to `GATHERING` seconds."""
        await self._catch_up()
        while (left := self._asked + GATHERING - self._now()) > 0:
            await asyncio.sleep(left)
            await self._catch_up()
        return self._registry.alive(self._now())

    async def send(self, message: bytes, node: str = "") -> None:
        await self._send(self._subjects.node(node) if node else self._subjects.all, message)

    # Saying something.

    async def _send(self, subject: str, message: bytes) -> None:
        """Publish, once. Raises `BrokerUnavailable`, and `LimitExceeded` for more than the server takes."""
        link = self._running()
        if self._outstanding >= self._queue_limit and link.is_away:
            waiting = f"{self._outstanding} publications wait for the broker already"
            raise BrokerUnavailable(f"{waiting}: {self._reason(link)}")
        self._outstanding += 1
        step = None
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    line = link.line or await link.wait()
                    with suppress(LineLost):
                        step = line.publish(subject, message)
                        await step.confirmed
                        return
                    if step is not None and step.sent:
                        raise BrokerUnavailable(UNKNOWN)
        except TimeoutError:
            if step is not None and step.sent:
                raise BrokerUnavailable(UNKNOWN) from None
            raise BrokerUnavailable(f"no answer within {self._timeout:g} s: {self._reason(link)}") from None
        except Refused as refusal:
            raise BrokerUnavailable(f"the broker refuses: {refusal}") from refusal
        except LineLost as lost:
            raise BrokerUnavailable(lost.reason) from lost
        finally:
            self._outstanding -= 1

    async def _catch_up(self) -> None:
        """Return when everything that others have sent before has been heard."""
        link = self._running()
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    line = link.line or await link.wait()
                    with suppress(LineLost):
                        await line.probe().confirmed
                        return
        except TimeoutError:
            raise BrokerUnavailable(f"no answer within {self._timeout:g} s: {self._reason(link)}") from None
        except LineLost as lost:
            raise BrokerUnavailable(lost.reason) from lost

    # Hearing something.

    async def _hear(self, subject: str, channel: str | None = None) -> None:
        link = self._running()
        self._wanted[subject] = channel
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    line = link.line or await link.wait()
                    with suppress(LineLost):
                        await line.subscribe(subject).confirmed
                        break
        except TimeoutError:
            self._wanted.pop(subject, None)
            raise BrokerUnavailable(f"no subscription within {self._timeout:g} s: {self._reason(link)}") from None
        except Refused as refusal:
            self._wanted.pop(subject, None)
            raise BrokerUnavailable(f"the broker refuses: {refusal}") from refusal
        except LineLost as lost:
            raise BrokerUnavailable(lost.reason) from lost
        if self._link is link:
            self._wanted[subject] = channel  # Another call for the same may have given it up meanwhile.

    async def _hear_no_more(self, subject: str) -> None:
        """A server that is away forgets by itself."""
        line = self._running().line
        self._wanted.pop(subject, None)
        if line is not None:
            with suppress(LineLost, TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await line.unsubscribe(subject).confirmed

    def _take(self, subject: str, content: bytes) -> None:
        receiver = self._receiver
        if receiver is None or subject not in self._wanted:
            return
        channel = self._wanted[subject]
        with suppress(ValueError):  # Somebody else publishes under our names; nobody here can read it.
            if channel is not None:
                _tell(receiver, channel, content)
            elif subject == self._subjects.nodes:
                self._hear_of_nodes(content)
            else:
                receiver.on_message(content)

    def _hear_of_nodes(self, content: bytes) -> None:
        if content != envelope.WHO:
            self._registry.hear(envelope.decode_card(content), self._now())
        elif self._link is not None and self._link.line is not None:
            self._tell_card(self._link.line)

    # The line.

    async def _open(self, on_lost: OnLost) -> Line:
        line = Line(self._subjects.echo(secrets.token_hex(8)), self._take, on_lost)
        await line.open(next(self._endpoints), self._address.credentials, self._context, name=f"tidings-{self._name}")
        return line

    async def _resume(self, line: Line) -> None:
        """Ask for everything that is wanted, tell who is here, and ask who is there."""
        wanted = dict(self._wanted)
        steps = [line.subscribe(subject) for subject in wanted]
        await asyncio.gather(*(step.confirmed for step in steps), return_exceptions=True)
        line.publish(self._subjects.nodes, envelope.WHO).confirmed.add_done_callback(forget)
        self._tell_card(line)
        self._asked = self._now()
        channels = [channel for channel in wanted.values() if channel is not None]
        if self._receiver is not None:
            self._receiver.on_resumed(channels)

    def _interrupt(self, reason: str) -> None:
        if self._receiver is not None:
            self._receiver.on_interrupted(reason)

    def _tell_card(self, line: Line) -> None:
        own = self._registry.own(self._now())
        if own is not None:
            with suppress(LineLost, LimitExceeded):
                line.publish(self._subjects.nodes, envelope.encode_card(own)).confirmed.add_done_callback(forget)

    # Private steps.

    def _running(self) -> Link[Line]:
        if self._link is None:
            raise BrokerUnavailable(STOPPED)
        return self._link

    def _reason(self, link: Link[Line]) -> str:
        return link.reason or "the server does not answer"

    def _now(self) -> float:
        """For leases and waiting, which nobody else's clock concerns."""
        return asyncio.get_running_loop().time()


def _tell(receiver: Receiver, channel: str, content: bytes) -> None:
    """Hand over what was said in a channel. Raises `ValueError` for what nobody can read."""
    match content[:1]:
        case envelope.PUBLICATION:
            receiver.on_publication(channel, envelope.decode_publication(content), "")
        case envelope.JOIN:
            receiver.on_join(channel, envelope.decode_info(content))
        case envelope.LEAVE:
            receiver.on_leave(channel, envelope.decode_info(content))
