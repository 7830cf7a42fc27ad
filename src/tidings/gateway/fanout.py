"""One publication to many connections: encoded once per kind of connection, then written in a loop.

The loop does nothing per subscriber but the write itself. Subscribers that share codec and framing share the bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from tidings import events
from tidings.channels import names
from tidings.channels.options import ChannelOptions
from tidings.channels.topic import Subscriber
from tidings.clock import Clock
from tidings.gateway.outbox import Held, Outbox
from tidings.gateway.transports.base import Wrap
from tidings.hooks import Hooks
from tidings.model import ClientInfo, Publication
from tidings.wire.centrifuge.codec import Codec, Inexpressible, client_info, publication
from tidings.wire.centrifuge.messages import Join, Leave, Push, Reply


class Encoding(NamedTuple):
    """What has to be equal for two connections to take the same bytes."""

    codec: Codec
    wrap: Wrap


class Member(Subscriber, Protocol):
    """A subscriber that can be written to."""

    encoding: Encoding
    outbox: Outbox

    def hold(self, message: Held) -> None:
        """Queue a message that cannot be written at once."""

    def on_inexpressible(self) -> None:
        """The channel carries something that this client's encoding cannot express."""


class Group:
    """Members that share an encoding. They may leave while a message is being written to them."""

    __slots__ = ("_members", "_snapshot")

    def __init__(self) -> None:
        self._members: set[Member] = set()
        self._snapshot: tuple[Member, ...] | None = None

    def __len__(self) -> int:
        return len(self._members)

    def members(self) -> tuple[Member, ...]:
        """The members as of now; made anew only after a change."""
        if self._snapshot is None:
            self._snapshot = tuple(self._members)
        return self._snapshot

    def add(self, member: Member) -> None:
        self._members.add(member)
        self._snapshot = None

    def discard(self, member: Member) -> None:
        self._members.discard(member)
        self._snapshot = None

    def write(self, message: Held) -> None:
        data = message.data
        for member in self.members():
            outbox = member.outbox
            if outbox.flowing:
                outbox.write(data)
            else:
                member.hold(message)


class Fanout:
    """The local subscribers of one channel, as an `Audience` of connections."""

    __slots__ = ("_channel", "_clock", "_groups", "_hooks", "_namespace", "_policy", "_size", "_watchers")

    def __init__(self, channel: str, options: ChannelOptions, clock: Clock, hooks: Hooks) -> None:
        self._channel = channel
        self._namespace = names.namespace(channel)
        self._policy = options.slow_policy
        self._clock = clock
        self._hooks = hooks
        self._groups: dict[Encoding, Group] = {}
        self._watchers: dict[Encoding, Group] = {}
        """Those who are also told who comes and goes."""
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, subscriber: Member, *, join_leave: bool) -> None:
        self._groups.setdefault(subscriber.encoding, Group()).add(subscriber)
        if join_leave:
            self._watchers.setdefault(subscriber.encoding, Group()).add(subscriber)
        self._size = sum(map(len, self._groups.values()))

    def discard(self, subscriber: Member) -> None:
        for groups in (self._groups, self._watchers):
            if (group := groups.get(subscriber.encoding)) is not None:
                group.discard(subscriber)
                if not group:
                    del groups[subscriber.encoding]
        self._size = sum(map(len, self._groups.values()))

    def publish(self, published: Publication) -> None:
        reached = self._size
        self._write(self._groups, lambda codec: Push(channel=self._channel, pub=publication(published, codec)))
        age = max(0.0, self._clock.now() - published.time) if published.time else 0.0
        self._hooks.announce(events.Delivered(self._channel, reached, len(published.data), age))

    def join(self, info: ClientInfo) -> None:
        self._write(self._watchers, lambda codec: Push(channel=self._channel, join=Join(client_info(info, codec))))

    def leave(self, info: ClientInfo) -> None:
        self._write(self._watchers, lambda codec: Push(channel=self._channel, leave=Leave(client_info(info, codec))))

    def _write(self, groups: dict[Encoding, Group], push: Callable[[Codec], Push]) -> None:
        for (codec, wrap), group in list(groups.items()):
            try:
                data = wrap(codec.encode(Reply(push=push(codec))))
            except Inexpressible:
                for member in group.members():
                    member.on_inexpressible()
            else:
                group.write(Held(data, self._channel, self._namespace, self._policy))
