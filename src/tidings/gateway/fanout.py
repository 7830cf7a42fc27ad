"""One publication to many connections: encoded once per kind of connection, then written in a loop.

The loop does nothing per subscriber but the write itself. Subscribers that share codec and framing share the bytes, and
what is published within one turn of the event loop leaves in one message: a burst costs each of them one write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from tidings import events
from tidings.channels import names
from tidings.channels.options import ChannelOptions, SlowPolicy
from tidings.channels.topic import Subscriber
from tidings.clock import Clock
from tidings.gateway.outbox import Held, Outbox
from tidings.gateway.transports.base import Wrap
from tidings.hooks import Hooks
from tidings.model import ClientInfo, Publication
from tidings.wire.centrifuge.codec import Codec, Inexpressible, client_info, publication
from tidings.wire.centrifuge.messages import Join, Leave, Push, Reply

JOIN_LIMIT_BYTES = 65536
"""How much may leave in one message. It is also the most that a connection gets before it can ask for a pause."""

Soon = Callable[[Callable[[], None]], object]
"""Calls something at the end of the current turn of the event loop."""


class Encoding(NamedTuple):
    """What has to be equal for two connections to take the same bytes."""

    codec: Codec
    wrap: Wrap


class Member(Subscriber, Protocol):
    """A subscriber that can be written to."""

    encoding: Encoding
    outbox: Outbox

    def on_inexpressible(self) -> None:
        """The channel carries something that this client's encoding cannot express."""


class Group:
    """Members that share an encoding. They may leave while something is being written to them.

    `template` is what is held for members that are slow: everything but the bytes.
    """

    __slots__ = ("_encoding", "_members", "_outboxes", "_pending", "_pending_bytes", "_soon", "_template")

    def __init__(self, encoding: Encoding, template: Held, soon: Soon) -> None:
        self._encoding = encoding
        self._template = template
        self._soon = soon
        self._members: dict[Member, Outbox] = {}
        self._outboxes: tuple[Outbox, ...] | None = None
        """The outboxes of all members, made anew only after a change."""
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: Member) -> None:
        self.flush()  # What was published before is not for somebody who comes after.
        self._members[member] = member.outbox
        self._outboxes = None

    def discard(self, member: Member) -> None:
        self.flush()
        self._members.pop(member, None)
        self._outboxes = None

    def put(self, push: Callable[[Codec], Push]) -> None:
        """Write a push to all members at the end of this turn, together with what else is put until then."""
        codec = self._encoding.codec
        try:
            payload = codec.encode(Reply(push=push(codec)))
        except Inexpressible:
            for member in tuple(self._members):
                member.on_inexpressible()
            return
        self._pending.append(payload)
        self._pending_bytes += len(payload)
        if self._pending_bytes >= JOIN_LIMIT_BYTES:
            self.flush()
        elif len(self._pending) == 1:
            self._soon(self.flush)

    def flush(self) -> None:
        """Write what is pending."""
        if not self._pending:
            return
        payloads, self._pending, self._pending_bytes = self._pending, [], 0
        if self._outboxes is None:
            self._outboxes = tuple(self._members.values())
        codec, wrap = self._encoding
        data = wrap(payloads[0] if len(payloads) == 1 else codec.join(payloads))
        slow = []
        for outbox in self._outboxes:
            if outbox.flowing:
                outbox.write(data)
            else:
                slow.append(outbox)
        if slow:
            self._hold(slow, payloads)

    def _hold(self, slow: list[Outbox], payloads: list[bytes]) -> None:
        """Hold each publication by itself, so that each can be given up by itself."""
        for payload in payloads:
            message = self._template.containing(self._encoding.wrap(payload))
            for outbox in slow:
                outbox.hold(message)


class Fanout:
    """The local subscribers of one channel, as an `Audience` of connections."""

    __slots__ = ("_announcements", "_channel", "_clock", "_groups", "_hooks", "_options", "_size", "_soon", "_watchers")

    def __init__(self, channel: str, options: ChannelOptions, clock: Clock, hooks: Hooks, soon: Soon) -> None:
        self._channel = channel
        self._options = options
        self._clock = clock
        self._hooks = hooks
        self._soon = soon
        self._groups: dict[Encoding, Group] = {}
        self._watchers: dict[Encoding, Group] = {}
        """Those who are also told who comes and goes."""
        self._size = 0
        self._announcements: list[tuple[Publication, int, float]] = []
        """What is being published in this turn, with how many it reaches; when that began, where it is traced."""

    def __len__(self) -> int:
        return self._size

    def add(self, subscriber: Member, *, join_leave: bool) -> None:
        policy = self._options.slow_policy
        self._enter(self._groups, subscriber, policy)
        if join_leave:
            # Who comes and goes must not take the place of the newest publication.
            self._enter(self._watchers, subscriber, SlowPolicy.DROP_OLDEST if policy is SlowPolicy.LATEST else policy)
        self._size = sum(map(len, self._groups.values()))

    def discard(self, subscriber: Member) -> None:
        for groups in (self._groups, self._watchers):
            if (group := groups.get(subscriber.encoding)) is not None:
                group.discard(subscriber)
                if not group:
                    groups.pop(subscriber.encoding, None)
        self._size = sum(map(len, self._groups.values()))

    def publish(self, published: Publication) -> None:
        began = self._clock.now() if published.trace else 0.0
        self._announcements.append((published, self._size, began))
        for group in list(self._groups.values()):
            group.put(lambda codec: Push(channel=self._channel, pub=publication(published, codec)))
        if len(self._announcements) == 1:
            self._soon(self._announce)  # behind the groups' own writing

    def join(self, info: ClientInfo) -> None:
        self._tell(lambda codec: Push(channel=self._channel, join=Join(client_info(info, codec))))

    def leave(self, info: ClientInfo) -> None:
        self._tell(lambda codec: Push(channel=self._channel, leave=Leave(client_info(info, codec))))

    def _tell(self, push: Callable[[Codec], Push]) -> None:
        for group in list(self._groups.values()):
            group.flush()  # Who left is seen to leave after what it published.
        for group in list(self._watchers.values()):
            group.put(push)
            group.flush()

    def _announce(self) -> None:
        announcements, self._announcements = self._announcements, []
        now = self._clock.now()
        for published, reached, began in announcements:
            age = max(0.0, now - published.time) if published.time else 0.0
            lasted = now - began if began else 0.0
            self._hooks.announce(
                events.Delivered(self._channel, reached, len(published.data), age, published.trace, lasted)
            )

    def _enter(self, groups: dict[Encoding, Group], subscriber: Member, policy: SlowPolicy) -> None:
        encoding = subscriber.encoding
        if encoding not in groups:
            template = Held(b"", self._channel, names.namespace(self._channel), policy)
            groups[encoding] = Group(encoding, template, self._soon)
        groups[encoding].add(subscriber)
