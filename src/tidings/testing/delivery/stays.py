"""For how long a client could rely on hearing everything of a channel, and what it did not hear.

A stay begins when a client is told that it is subscribed. It goes on over broken connections for as long as the client
comes back and is told `recovered: true`, because that answer says: you have everything. It ends with the subscription,
with a told gap, or with the history.

        subscribed         broken      back, recovered           told a gap     end of the history
    ann ----[====================......====================]        [==================]
                 a stay, one and the same, also while away           another stay
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tidings.model import StreamPosition
from tidings.testing.delivery.publications import Publication
from tidings.testing.delivery.records import Delivered, Disconnected, GapTold, How, Subscribed, Unsubscribed
from tidings.wire.centrifuge.codes import INSUFFICIENT_STATE, UNSUBSCRIBED_INSUFFICIENT_STATE

View = Sequence[Subscribed | Unsubscribed | Disconnected | GapTold | Delivered]
"""What one client has seen of one channel, in its order."""


class End(Enum):
    """How a stay ended."""

    OPEN = "to the end of the run"
    LEFT = "until its subscription ended"
    AWAY = "until its connection broke"
    TOLD = "until it was told of a gap"


@dataclass(slots=True)
class Stay:
    """Filled while a view is read, and not changed afterwards."""

    client: str
    channel: str
    start: float
    position: StreamPosition | None = None
    is_recovery: bool = False
    """Whether it began with `recovered: true`: with everything after a position that nobody has noted."""
    end: End = End.OPEN
    ended: float = math.inf
    ids: set[str] = field(default_factory=set)
    """What arrived."""
    offsets: dict[int, Delivered] = field(default_factory=dict)
    epoch: str = ""
    reached: float = -math.inf
    """When the latest call began of which something arrived."""
    untold: Subscribed | Delivered | None = None
    """Where another epoch came without a word."""

    def take(self, delivery: Delivered, publication: Publication | None) -> None:
        self.ids.add(delivery.id)
        if delivery.offset:
            if delivery.epoch != self.epoch:
                self.enter(delivery.epoch, delivery)
            self.offsets.setdefault(delivery.offset, delivery)
        if publication is None:
            return
        self.reached = max(self.reached, publication.invoked)
        place = publication.position
        if delivery.how is How.LIVE and delivery.epoch and place is not None:
            # The client takes for its own epoch what was acknowledged in another.
            self.notice(place.epoch, delivery.epoch, delivery)

    def enter(self, epoch: str, record: Subscribed | Delivered) -> None:
        """The channel's stream is now in this epoch; "" when nobody knows."""
        self.notice(epoch, self.epoch, record)
        self.epoch = self.epoch or epoch

    def notice(self, epoch: str, other: str, record: Subscribed | Delivered) -> None:
        if epoch and other and epoch != other and self.untold is None:
            self.untold = record

    @property
    def base(self) -> int:
        """The offset after which everything was owed.

        A first subscription may be a recovery: its answer names the top of the stream, and what comes with it is below.
        """
        if self.position is None:
            return min(self.offsets, default=1) - 1
        if self.is_recovery:
            return min([self.position.offset + 1, *self.offsets]) - 1
        return self.position.offset

    def __str__(self) -> str:
        until = self.end.value if self.end is End.OPEN else f"{self.end.value} at {self.ended:.3f}"
        return f"subscribed to {self.channel} from {self.start:.3f} {until}"


def stays(view: View, client: str, channel: str, publications: Mapping[str, Publication]) -> list[Stay]:
    """The stays of one client in one channel, in their order."""
    return _Walk(view, client, channel, publications).stays


class _Walk:
    """Reads a view from its first record to its last."""

    def __init__(self, view: View, client: str, channel: str, publications: Mapping[str, Publication]) -> None:
        self.stays: list[Stay] = []
        self._who = (client, channel)
        self._publications = publications
        self._is_subscribed = False
        self._told: float | None = None
        for record in view:
            match record:
                case Delivered():
                    self._on_delivered(record)
                case Subscribed():
                    self._on_subscribed(record)
                case Unsubscribed(code=code):
                    self._leave(record.at, End.TOLD if code == UNSUBSCRIBED_INSUFFICIENT_STATE.code else End.LEFT)
                case Disconnected(code=code):
                    self._leave(record.at, End.TOLD if code == INSUFFICIENT_STATE.code else End.AWAY)
                case GapTold():
                    self._on_gap(record)
        if self._told is not None and self._is_subscribed:
            self._go_on_after_gap()

    def _on_delivered(self, delivery: Delivered) -> None:
        if delivery.how is How.HISTORY or not self._is_subscribed:
            return
        if self._told is not None:
            self._go_on_after_gap()
        self.stays[-1].take(delivery, self._publications.get(delivery.id))

    def _on_subscribed(self, record: Subscribed) -> None:
        if record.recovered and self.stays:
            self._come_back(self.stays[-1], record)
        else:
            if self._is_subscribed:
                self._leave(record.at, End.AWAY)
            self._begin(record.at, record.position, is_recovery=bool(record.recovered))
        self._is_subscribed, self._told = True, None

    def _come_back(self, stay: Stay, record: Subscribed) -> None:
        stay.end, stay.ended = End.OPEN, math.inf
        if record.position is not None:
            stay.enter(record.position.epoch, record)

    def _on_gap(self, record: GapTold) -> None:
        if not self.stays or self.stays[-1].start == record.at:
            return  # It is told together with the answer that has begun a new stay already.
        self._told = record.at
        if not self._is_subscribed:
            self.stays[-1].end = End.TOLD

    def _leave(self, at: float, end: End) -> None:
        if self._is_subscribed:
            self.stays[-1].end, self.stays[-1].ended = (End.TOLD if self._told is not None else end), at
        self._is_subscribed = False

    def _go_on_after_gap(self) -> None:
        """A gap was told within a subscription that lasts."""
        assert self._told is not None
        self.stays[-1].end, self.stays[-1].ended = End.TOLD, self._told
        self._begin(self._told, None)
        self._told = None

    def _begin(self, at: float, position: StreamPosition | None, *, is_recovery: bool = False) -> None:
        epoch = position.epoch if position is not None else ""
        self.stays.append(Stay(*self._who, at, position, is_recovery, epoch=epoch))
