"""What carries publications between nodes, as ports.

`Broker` is what every backend can honestly do. `RecognisesRepetition`, `KeepsHistory`, `KeepsPresence` and the others
are further doors that a backend may have. A backend receives its connections ready made; it reads no settings.

Order
    What one node sends to a channel, one call after the other, reaches every node in that order: publications, joins
    and leaves alike. Where the channel has a history, everybody's publications arrive in the order of their offsets.
Delivery
    At most once. A node that was away has missed what was published meanwhile; in a channel with history it sees so by
    the next offset, and reads what it missed.
Cancelling
    A cancelled call may or may not have taken effect. It leaves the broker usable.
Errors
    Every method raises `BrokerUnavailable` when the backend cannot be reached in time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

from msgspec import Struct

from tidings.model import ClientInfo, Publication, StreamPosition


class Retention(Struct, frozen=True):
    """How much of a channel's stream is kept.

    At most `size` publications, each for `ttl` seconds after the newest. The position of the stream outlives them: for
    `meta_ttl` seconds after its last use the stream keeps its epoch and goes on counting.
    """

    size: int
    ttl: float
    meta_ttl: float


class Guard(Struct, frozen=True):
    """What makes a repeated publication harmless. The default guards nothing.

    Where the broker `RecognisesRepetition`, a second publication with the same `idempotency_key` in the same channel
    within `IDEMPOTENCY_TTL` of the first is not published; it gets the first one's result. In a channel with history, a
    `version` that is not above the last one published is not published either, unless it comes with another
    `version_epoch` than that one did; 0 is no version.
    """

    idempotency_key: str = ""
    version: int = 0
    version_epoch: str = ""


NO_GUARD = Guard()
IDEMPOTENCY_TTL = 300.0


class Accepted(Struct, frozen=True):
    """The broker has a publication. `fresh` is False when a guard recognised it and nothing was published."""

    position: StreamPosition = StreamPosition()
    fresh: bool = True


class Page(Struct, frozen=True):
    """A read of a channel's stream: some publications, and where the stream's end was at that moment."""

    publications: tuple[Publication, ...]
    top: StreamPosition


class Receiver(Protocol):
    """The node's side: called by the broker for every channel the node has subscribed to.

    Called in the event loop, in order, and never concurrently. The calls do not wait and do not raise.
    """

    def on_publication(self, channel: str, publication: Publication, epoch: str) -> None:
        """A publication arrived. Its offset and `epoch` are zero values in a channel without history."""

    def on_join(self, channel: str, info: ClientInfo) -> None:
        """Somebody subscribed, here or on another node."""

    def on_leave(self, channel: str, info: ClientInfo) -> None:
        """Somebody left, here or on another node."""

    def on_resumed(self, channels: Collection[str]) -> None:
        """The backend is reached again, or for the first time, and these channels are heard from now on.

        What was said in them before may have been missed, and what the backend was told may be forgotten.
        """

    def on_interrupted(self, reason: str) -> None:
        """The backend, or a part of it, cannot be reached, for a reason that people understand. It is tried again."""

    def on_message(self, message: bytes) -> None:
        """Another node, or this one, has sent something to all nodes or to this one; see `ConnectsNodes`."""


class Broker(Protocol):
    """Carries publications between nodes, at most once and in order.

    >>> await broker.start(receiver)
    >>> await broker.subscribe("news")          # from here on, receiver.on_publication("news", …)
    >>> await broker.publish("news", Publication(b"1"))
    """

    async def start(self, receiver: Receiver) -> None:
        """Connect, and hand everything that arrives from now on to `receiver`."""

    async def stop(self) -> None:
        """Let go of everything. Calls that still wait, and later ones, raise `BrokerUnavailable`.

        The backend keeps the streams, and presence until its leases run out. Repeating it is harmless.
        """

    async def reach(self) -> None:
        """Make sure that the backend answers."""

    async def subscribe(self, channel: str) -> None:
        """Ask for a channel. When this returns, whatever is published next will arrive. Repeating it is harmless."""

    async def unsubscribe(self, channel: str) -> None:
        """Stop asking. Repeating it is harmless."""

    async def publish(self, channel: str, publication: Publication, *, guard: Guard = NO_GUARD) -> Accepted:
        """Send to all nodes without keeping anything. Returns once the backend has it.

        The broker sets the publication's `time`; its offset stays 0. Everything else arrives as it is, the `trace`
        included. A guard's `version` is not looked at. A guard with an `idempotency_key` raises `NotAvailable` unless
        the broker `RecognisesRepetition`.
        """

    async def publish_join(self, channel: str, info: ClientInfo) -> None:
        """Tell all nodes that somebody subscribed."""

    async def publish_leave(self, channel: str, info: ClientInfo) -> None:
        """Tell all nodes that somebody left."""


@runtime_checkable
class RecognisesRepetition(Protocol):
    """Recognises a publication that the channel has had before, by the idempotency key of its guard.

    Recognising a key and noting it are one step, on whichever node and however it was published. So a call whose
    outcome is unknown may be repeated with the same key.
    """

    idempotency_ttl: float
    """For how many seconds after the first publication a key is recognised: `IDEMPOTENCY_TTL`."""


@runtime_checkable
class KeepsHistory(Protocol):
    """Keeps a stream per channel.

    A stream begins with its first use, reading included, so a position always has an epoch. Appending, giving the
    offset and sending to all nodes are one atomic step: a node that sees offset 3 after offset 1 has missed 2.
    """

    async def append(
        self, channel: str, publication: Publication, retention: Retention, *, guard: Guard = NO_GUARD
    ) -> Accepted:
        """Publish, and keep. The returned position is the publication's own.

        It is the first one's if an idempotency key held it back, and the top of the stream if a version did. An
        idempotency key raises `NotAvailable` unless the broker `RecognisesRepetition`.
        """

    async def read(
        self,
        channel: str,
        retention: Retention,
        *,
        since: int | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Page:
        """Read retained publications in offset order, or newest first with `reverse`.

        `since` is an offset and exclusive: only what comes after it, or before it with `reverse`. `limit` bounds how
        many are returned; 0 asks for the position alone, None for everything. Epochs are the caller's business.
        """

    async def remove(self, channel: str) -> None:
        """Forget the retained publications. The stream keeps its epoch and goes on counting."""


@runtime_checkable
class KeepsPresence(Protocol):
    """Knows who is in a channel, as leases.

    An entry lives until it is removed or its lease runs out, whichever comes first. Whoever is still there renews by
    entering again: the lease begins anew, the newest info is shown, and nobody is counted twice.
    """

    async def enter(self, channel: str, info: ClientInfo, lease: float) -> None:
        """Note that `info.client` is in the channel for the next `lease` seconds."""

    async def leave(self, channel: str, client: str) -> None:
        """Remove a client. Removing somebody who is not there is harmless."""

    async def present(self, channel: str) -> Mapping[str, ClientInfo]:
        """Everybody in the channel, by client id."""

    async def count(self, channel: str) -> tuple[int, int]:
        """How many clients and how many different users are in the channel."""


@runtime_checkable
class ConnectsNodes(Protocol):
    """Lets the nodes of one backend know of each other, and speak with each other.

    A node's card lives until it is withdrawn or its lease runs out. What one node sends, one after the other, reaches
    each other node in that order, at most once: a node that is not heard from is not waited for.
    """

    async def join(self, node: str, card: bytes, lease: float) -> None:
        """Be known under a name for the next `lease` seconds, and hear what is sent to all and to that name.

        Joining again renews the lease and shows the new card. A broker joins under one name.
        """

    async def quit(self, node: str) -> None:
        """Be known no longer. Repeating it is harmless."""

    async def nodes(self) -> Mapping[str, bytes]:
        """The cards of the nodes that are alive, by name."""

    async def send(self, message: bytes, node: str = "") -> None:
        """Send to one node, or to all; `Receiver.on_message` gets it, on the sender's own node too."""


@runtime_checkable
class KeepsConnections(Protocol):
    """Knows which connections a user has, on whichever node, as leases."""

    async def arrive(self, user: str, client: str, lease: float, *, limit: int = 0) -> bool:
        """Count a connection in for the next `lease` seconds, unless the user has `limit` others; 0 is any number.

        Looking and counting are one step. Whoever is counted already has the lease renewed, whatever the limit.
        """

    async def depart(self, user: str, client: str) -> None:
        """Count a connection out. Repeating it is harmless."""

    async def clients(self, user: str) -> Collection[str]:
        """The connections of a user that are alive."""

    async def show(self, node: str, changes: Mapping[str, bytes], lease: float) -> None:
        """Say what a node's connections are: the changed ones, by client; b"" for one that is gone.

        What is said of a node is forgotten `lease` seconds after the last call, which may come without changes.
        """

    async def shown(self, node: str) -> Mapping[str, bytes]:
        """What was said of a node's connections, by client."""


@runtime_checkable
class KeepsSubscriptions(Protocol):
    """Remembers the channels that a user is to be subscribed to whenever they connect. Nothing expires here."""

    async def keep(self, user: str, channel: str, terms: bytes) -> None:
        """Remember a channel with its terms; those of an earlier call are replaced."""

    async def forget(self, user: str, channel: str = "") -> None:
        """Forget a channel, or all of a user's. Repeating it is harmless."""

    async def kept(self, user: str) -> Mapping[str, bytes]:
        """The terms by channel."""
