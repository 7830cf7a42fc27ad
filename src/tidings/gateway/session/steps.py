"""What a session cannot do by itself: effects to perform, and questions that somebody has to be asked.

A command is a generator that reads like blocking code. It yields a `Question` and is resumed with the answer; an answer
that is an exception is raised at the `yield`. Errors that it raises become the reply, `Ended` closes the connection.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from msgspec import Struct

from tidings.brokers.base import NO_GUARD, Guard
from tidings.channels.hub import Wish
from tidings.channels.options import ChannelOptions
from tidings.gateway.grants import ConnectionGrant
from tidings.gateway.signatures import KeySource
from tidings.model import ClientInfo, Publication, StreamPosition
from tidings.wire.centrifuge.messages import ConnectRequest, Disconnect, Reply

# Questions, each with the type of its answer.


class Question(Struct, frozen=True):
    """Something to wait for. One question of a session is under way at a time."""


class Authenticate(Question, frozen=True):
    """May this client connect, and as whom? `grant` is what its token says. → ConnectionGrant"""

    request: ConnectRequest
    grant: ConnectionGrant | None


class Learn(Question, frozen=True):
    """Ask what keys there are, because a token names one that is not known. → None

    Raises KeysUnavailable.
    """

    source: KeySource


class Enter(Question, frozen=True):
    """Count this connection among the user's. → Mapping[str, SubscriptionGrant], which the user keeps

    Raises LimitExceeded.
    """

    user: str


class Open(Question, frozen=True):
    """Subscribe, all or none. → list[Recovery]"""

    wishes: tuple[Wish, ...]


class Authorize(Question, frozen=True):
    """May this client subscribe to the channel? → SubscriptionGrant"""

    channel: str
    data: bytes


class Review(Question, frozen=True):
    """May this client publish this, and what exactly shall be published? → PublicationGrant"""

    channel: str
    data: bytes


class Publish(Question, frozen=True):
    """→ None"""

    channel: str
    publication: Publication
    guard: Guard = NO_GUARD
    skip_history: bool = False


class ReadPresence(Question, frozen=True):
    """→ Mapping[str, ClientInfo]"""

    channel: str


class CountPresence(Question, frozen=True):
    """→ tuple[int, int], clients and users"""

    channel: str


class ReadHistory(Question, frozen=True):
    """→ Page"""

    channel: str
    since: StreamPosition | None
    limit: int
    reverse: bool


class Call(Question, frozen=True):
    """→ bytes"""

    method: str
    data: bytes


class Deliver(Question, frozen=True):
    """→ None"""

    data: bytes


class Renew(Question, frozen=True):
    """May the subscription to a channel live on, or with "" the connection? → Renewal

    Asked by time and not by a command, so it comes as `AskRenewal`, beside whatever else is under way.
    """

    channel: str = ""


R = TypeVar("R")
Steps = Generator[Question, Any, R]
"""A command on its way to a result of type R."""


class Ended(Exception):
    """Raised in a command to close the connection."""

    def __init__(self, disconnect: Disconnect) -> None:
        super().__init__(disconnect)
        self.disconnect = disconnect


# Effects, in the order in which they are performed.


class Send(Struct, frozen=True):
    """Send a reply or a push."""

    reply: Reply


class Ping(Struct, frozen=True):
    """Ask the client for a sign of life."""


class Ask(Struct, frozen=True):
    """Find the answer, and come back with `Session.answer`."""

    question: Question


class AskRenewal(Struct, frozen=True):
    """Find the answer to a `Renew`, and come back with `Session.renewed`."""

    question: Renew


class Leave(Struct, frozen=True):
    """Give up a subscription that went live. `code` is that of the unsubscribe, 0 if the client did it itself."""

    channel: str
    options: ChannelOptions
    info: ClientInfo
    code: int


class Close(Struct, frozen=True):
    """End the connection."""

    disconnect: Disconnect


Effect = Send | Ping | Ask | AskRenewal | Leave | Close
