"""A history, read once and put in order, so that every invariant finds quickly what it is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import attrgetter

from tidings.testing.delivery.history import History
from tidings.testing.delivery.places import Places
from tidings.testing.delivery.publications import Outcome, Publication
from tidings.testing.delivery.records import (
    AnyRecord,
    Connected,
    Delivered,
    Disconnected,
    FaultInjected,
    GapTold,
    How,
    PresenceSeen,
    PublishFailed,
    PublishInvoked,
    PublishOk,
    PublishUnknown,
    Subscribed,
    Unsubscribed,
)
from tidings.testing.delivery.stays import Stay, View, stays


class BadHistory(ValueError):
    """The history contradicts itself, so that nothing can be concluded from it."""


class Run:
    """The records of a history by what they are about.

    Raises `BadHistory` for a publication whose id was used before or that ended without having begun or ended twice,
    and for an empty history.
    """

    def __init__(self, history: History) -> None:
        self.records: list[AnyRecord] = history.records()
        if not self.records:
            raise BadHistory("the history is empty: nothing was recorded, so that nothing can be proved")
        self.publications: dict[str, Publication] = {}
        self.deliveries: list[Delivered] = []
        self.lifecycle: list[Connected | Subscribed | Unsubscribed | Disconnected] = []
        self.looks: list[PresenceSeen] = []
        self.faults: list[FaultInjected] = []
        self.acknowledged: dict[str, PublishOk] = {}
        self._views: dict[str, dict[str, list[Subscribed | Unsubscribed | Disconnected | GapTold | Delivered]]] = {}
        self._outcomes: dict[str, PublishOk | PublishFailed | PublishUnknown] = {}
        self._invoked: dict[str, PublishInvoked] = {}
        self._read()

    @property
    def end(self) -> float:
        """The time of the last record."""
        return self.records[-1].at

    @property
    def views(self) -> Mapping[tuple[str, str], View]:
        """By client and channel."""
        return self._flat

    @cached_property
    def acknowledged_in(self) -> Mapping[str, Sequence[Publication]]:
        """The acknowledged publications of each channel, in the order in which their calls began."""
        found: defaultdict[str, list[Publication]] = defaultdict(list)
        for publication in sorted(self.publications.values(), key=attrgetter("invoked")):
            if publication.outcome is Outcome.OK:
                found[publication.channel].append(publication)
        return found

    @cached_property
    def received(self) -> Mapping[tuple[str, str], Sequence[Delivered]]:
        """The deliveries by client and channel, without what clients have fetched from the history by themselves."""
        return {
            key: [record for record in view if type(record) is Delivered and record.how is not How.HISTORY]
            for key, view in self.views.items()
        }

    @cached_property
    def stays(self) -> Mapping[tuple[str, str], Sequence[Stay]]:
        """For how long clients could rely on hearing everything, by client and channel."""
        return {key: stays(view, *key, self.publications) for key, view in self.views.items()}

    @cached_property
    def places(self) -> Places:
        """Which publication stands where in the streams."""
        return Places(self.publications, self.acknowledged.values(), self.deliveries)

    # Reading. The table below is on the hot path: one look-up and one call for each record.

    def _read(self) -> None:
        readers: dict[type, Callable[..., None]] = {
            PublishInvoked: self._invoke,
            PublishOk: self._decide,
            PublishFailed: self._decide,
            PublishUnknown: self._decide,
            Connected: self.lifecycle.append,
            Disconnected: self._disconnect,
            Subscribed: self._change,
            Unsubscribed: self._change,
            GapTold: self._see,
            Delivered: self._deliver,
            PresenceSeen: self.looks.append,
            FaultInjected: self.faults.append,
        }
        for record in self.records:
            readers[type(record)](record)
        self._settle()
        self._flat = {
            (client, channel): view for client, channels in self._views.items() for channel, view in channels.items()
        }

    def _see(self, record: Subscribed | Unsubscribed | GapTold | Delivered) -> None:
        self._views.setdefault(record.client, {}).setdefault(record.channel, []).append(record)

    def _change(self, record: Subscribed | Unsubscribed) -> None:
        self.lifecycle.append(record)
        self._see(record)

    def _disconnect(self, record: Disconnected) -> None:
        self.lifecycle.append(record)
        for view in self._views.get(record.client, {}).values():
            view.append(record)

    def _deliver(self, record: Delivered) -> None:
        self.deliveries.append(record)
        self._see(record)

    def _invoke(self, record: PublishInvoked) -> None:
        if record.id in self._invoked:
            raise BadHistory(f"the id {record.id!r} was published twice: give every publication an id of its own")
        self._invoked[record.id] = record

    def _decide(self, record: PublishOk | PublishFailed | PublishUnknown) -> None:
        if record.id not in self._invoked:
            raise BadHistory(f"the publication {record.id!r} ended without having begun: note PublishInvoked before it")
        if record.id in self._outcomes:
            raise BadHistory(f"the publication {record.id!r} ended twice: {self._outcomes[record.id]} and {record}")
        self._outcomes[record.id] = record
        if type(record) is PublishOk:
            self.acknowledged[record.id] = record

    def _settle(self) -> None:
        for id, invoked in self._invoked.items():
            call = (id, invoked.channel, invoked.publisher, invoked.data, invoked.at)
            match self._outcomes.get(id):
                case PublishOk(at=at, position=position):
                    self.publications[id] = Publication(*call, Outcome.OK, at, position)
                case PublishFailed(at=at):
                    self.publications[id] = Publication(*call, Outcome.FAILED, at)
                case _:
                    self.publications[id] = Publication(*call)
