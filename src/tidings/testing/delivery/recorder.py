"""Writes a history while a run is live: what is published, and which faults take place.

What clients see is added by `observer`.

>>> recorder = Recorder(history)
>>> publish = recorder.publisher(hub.publish)
>>> await publish("news", stamped(price=3))
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Protocol, TypeVar

from tidings.errors import TidingsError
from tidings.model import StreamPosition
from tidings.testing.delivery.history import History
from tidings.testing.delivery.records import FaultInjected, PublishFailed, PublishInvoked, PublishOk, PublishUnknown
from tidings.testing.delivery.tags import Tag, tag_of

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class Failure(Enum):
    """What an exception says about a publication."""

    REFUSED = "it was not published, and will not be"
    TEMPORARY = "it was not published, and may be later"
    UNKNOWN = "nobody can say whether it was published"


def judge(error: BaseException) -> Failure:
    """What an exception of a publish call means, as Tidings promises it.

    An error of Tidings says that nothing was published, unless its message has "outcome unknown" in it. Anything else,
    a timeout, a lost connection, a cancelled call, leaves it open.
    """
    if not isinstance(error, TidingsError) or "outcome unknown" in error.message:
        return Failure.UNKNOWN
    return Failure.TEMPORARY if error.temporary else Failure.REFUSED


class Publish(Protocol[R_co]):
    """Any call that publishes: a channel, a payload, and whatever options it has."""

    def __call__(self, channel: str, data: Any, /, **options: Any) -> Awaitable[R_co]: ...


class Recorder:
    """Notes in `history` what its wrapped calls do. `judge` says what an exception of such a call means."""

    def __init__(self, history: History, *, judge: Callable[[BaseException], Failure] = judge) -> None:
        self.history = history
        self._judge = judge

    def publisher(self, publish: Publish[R], *, name: str = "publisher") -> Publish[R]:
        """The same call, noted: when it begins, and how it ends.

        Payloads have to be stamped, otherwise the wrapped call raises `ValueError` and publishes nothing. The position
        is taken from a result that has one, as attributes or as items. Exceptions pass through; a cancelled call is
        noted as unknown. Calls of one `name` that do not overlap have an order.
        """

        async def publish_and_note(channel: str, data: Any, /, **options: Any) -> R:
            tag = _stamp_of(data)
            self.history.note(lambda at: PublishInvoked(at, tag.id, channel, name, tag.content))
            try:
                result = await publish(channel, data, **options)
            except BaseException as error:
                self._note_failure(tag.id, self._judge(error))
                raise
            self.history.note(lambda at: PublishOk(at, tag.id, position_of(result)))
            return result

        return publish_and_note

    def fault(self, name: str, target: str = "") -> None:
        """Note that a fault takes place. To be called when it does, and not when it is planned."""
        self.history.note(lambda at: FaultInjected(at, name, target))

    def _note_failure(self, id: str, failure: Failure) -> None:
        if failure is Failure.UNKNOWN:
            self.history.note(lambda at: PublishUnknown(at, id))
        else:
            self.history.note(lambda at: PublishFailed(at, id, failure is Failure.TEMPORARY))


def position_of(result: object) -> StreamPosition | None:
    """The position that the result of a publish call names: of Tidings, of the HTTP API, or of something alike."""
    if isinstance(result, Mapping):
        inner = result.get("result", result)
        found = (inner.get("offset"), inner.get("epoch")) if isinstance(inner, Mapping) else (None, None)
    else:
        place = getattr(result, "position", result)
        found = (getattr(place, "offset", None), getattr(place, "epoch", None))
    offset, epoch = found
    return StreamPosition(offset, epoch) if isinstance(offset, int) and isinstance(epoch, str) and offset else None


def _stamp_of(data: Any) -> Tag:
    tag = tag_of(data)
    if not tag.id:
        raise ValueError(f"a publication is recognised by an id in its payload: publish stamped(...), and not {data!r}")
    return tag
