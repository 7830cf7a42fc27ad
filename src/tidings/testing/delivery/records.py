"""What can happen in a run, as values: the alphabet of a history.

Every record begins with `at`, the time in seconds since the run began, on a clock that does not go back. What clients
notice carries the time at which they notice it, which is never before the server did it.

A `client` is one program over the whole run: it keeps its name when its connection breaks and it comes back, whatever
id the server gives to its connections. A publication is recognised by the `id` in its payload; see `tags`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import UnionType

from msgspec import Struct

from tidings.model import StreamPosition


class How(Enum):
    """On which way a publication came to a client."""

    LIVE = "live"
    RECOVERED = "recovered"  # with the reply to a subscription
    HISTORY = "history"  # the client asked for the history: no delivery that was promised


class Record(Struct, frozen=True, gc=False, tag=True, tag_field="kind"):
    """The root of all records. A field of another type than it is declared with is a `TypeError`."""

    at: float

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            kind = KINDS.get(name)
            if kind is not None and not isinstance(value := getattr(self, name), kind):
                raise TypeError(_wrong(type(self).__name__, name, kind, value))


KINDS: Mapping[str, type | UnionType] = {
    "at": float | int,
    **dict.fromkeys(
        ("id", "channel", "publisher", "data", "client", "user", "connection", "epoch", "name", "target"), str
    ),
    **dict.fromkeys(("code", "offset"), int),
    "position": StreamPosition | None,
    "how": How,
    "clients": tuple,
}
"""What the fields have to be, in every record alike. What is something else would compare as unequal to everything, and
so be reported as a promise that was broken."""


def _wrong(record: str, name: str, kind: type | UnionType, value: object) -> str:
    wanted = kind.__name__ if isinstance(kind, type) else str(kind)
    cure = {"id": ": take tag_of(payload).id", "data": ": take tag_of(payload).content"}.get(name, "")
    return f"{name} of {record} is {wanted}, and not {value!r:.80}{cure}"


# Publishing.


class PublishInvoked(Record, frozen=True):
    """Somebody began to publish. `id` and `data` are the id and the content that `tag_of` reads from the payload."""

    id: str
    channel: str
    publisher: str
    data: str


class PublishOk(Record, frozen=True):
    """The call returned: the publication is acknowledged. `position` where the answer names one."""

    id: str
    position: StreamPosition | None = None


class PublishFailed(Record, frozen=True):
    """The call said that nothing was published. `temporary` says that it may succeed later."""

    id: str
    temporary: bool = False


class PublishUnknown(Record, frozen=True):
    """The call ended, and nobody can say whether the publication was accepted. One without any outcome counts so."""

    id: str


# Clients.


class Connected(Record, frozen=True):
    """A client has a connection. `connection` is its id in presence, "" where that is the client's name."""

    client: str
    user: str = ""
    connection: str = ""


class Disconnected(Record, frozen=True):
    """A client's connection ended, and all its subscriptions with it."""

    client: str
    code: int = 0


class Subscribed(Record, frozen=True):
    """A client was told that it is subscribed.

    `recovered` is True when it was told that it has, or gets with this, everything after the position that it
    reported; False when it was told that it does not; None when it reported none. `position` is what the answer names.
    """

    client: str
    channel: str
    user: str = ""
    recovered: bool | None = None
    position: StreamPosition | None = None


class Unsubscribed(Record, frozen=True):
    """A subscription ended. `code` is the server's, 0 when the client wished it."""

    client: str
    channel: str
    code: int = 0


class Delivered(Record, frozen=True):
    """A client received a publication: `id` and `data` are the id and the content that `tag_of` reads from the payload.

    `offset` is 0 in channels without history. `epoch` is that of the client's subscription, "" where it is not known.
    """

    client: str
    user: str
    channel: str
    id: str
    data: str
    offset: int = 0
    epoch: str = ""
    how: How = How.LIVE


class GapTold(Record, frozen=True):
    """A client was told that it missed something: `recovered: false`, an unsubscribe with 2500, a close with 3010."""

    client: str
    channel: str


# Everything else.


class PresenceSeen(Record, frozen=True):
    """Somebody was told who is present: the ids of connections. `asked` is when the question was put, where known."""

    channel: str
    clients: tuple[str, ...]
    asked: float | None = None


class FaultInjected(Record, frozen=True):
    """A fault took place."""

    name: str
    target: str = ""


AnyRecord = (
    PublishInvoked
    | PublishOk
    | PublishFailed
    | PublishUnknown
    | Connected
    | Disconnected
    | Subscribed
    | Unsubscribed
    | Delivered
    | GapTold
    | PresenceSeen
    | FaultInjected
)
