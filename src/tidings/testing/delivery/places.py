"""Where publications stand in the streams of a run, as far as anybody has said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tidings.testing.delivery.publications import Publication
from tidings.testing.delivery.records import Delivered, PublishOk


class Places:
    """Which publication stands at which offset of which epoch, as acknowledgements say and as clients were shown.

    `conflicts` are the records that contradict what was said before: another publication at the same place, or the
    same one at another place of that epoch. `returns` are acknowledgements of a place before one that had been
    acknowledged when their call began. Where the epoch is not known nothing can be said.
    """

    def __init__(
        self,
        publications: Mapping[str, Publication],
        acknowledgements: Iterable[PublishOk],
        deliveries: Iterable[Delivered],
    ) -> None:
        self._streams: dict[tuple[str, str], dict[int, str]] = {}
        self._offsets: dict[tuple[str, str], dict[str, int]] = {}
        self.conflicts: list[tuple[PublishOk | Delivered, str]] = []
        acknowledged: defaultdict[tuple[str, str], list[PublishOk]] = defaultdict(list)
        for record in acknowledgements:
            if record.position is not None:
                channel = publications[record.id].channel
                acknowledged[channel, record.position.epoch].append(record)
                self._claim(record, channel, record.position.epoch, record.position.offset)
        for delivery in deliveries:
            self._claim(delivery, delivery.channel, delivery.epoch, delivery.offset)
        self.returns = [
            (record, complaint)
            for stream in acknowledged.values()
            for record, complaint in _returns(stream, publications)
        ]

    def stream(self, channel: str, epoch: str) -> Mapping[int, str]:
        """The ids by offset."""
        return self._streams.get((channel, epoch), {})

    def _claim(self, record: PublishOk | Delivered, channel: str, epoch: str, offset: int) -> None:
        id = record.id
        if not offset or not epoch or not id:
            return
        key = (channel, epoch)
        if key not in self._streams:
            self._streams[key], self._offsets[key] = {}, {}
        holder = self._streams[key].setdefault(offset, id)
        place = self._offsets[key].setdefault(id, offset)
        if holder != id:
            self.conflicts.append((record, f"offset {offset} of epoch {epoch!r} belongs to {holder}, too"))
        elif place != offset:
            self.conflicts.append((record, f"it stands at offset {place} of epoch {epoch!r} as well as at {offset}"))


def _returns(stream: Sequence[PublishOk], publications: Mapping[str, Publication]) -> Iterator[tuple[PublishOk, str]]:
    """The acknowledgements, of one stream and in their order, that went back behind an earlier one."""
    earlier, top = iter(stream), 0
    following = next(earlier, None)
    for record in sorted(stream, key=lambda each: publications[each.id].invoked):
        while following is not None and following.at < publications[record.id].invoked:
            top, following = max(top, _offset(following)), next(earlier, None)
        if record.position is not None and record.position.epoch and 0 < _offset(record) < top:
            where = f"offset {_offset(record)} of epoch {record.position.epoch!r}"
            yield record, f"it stands at {where}, though offset {top} had been acknowledged before it was published"


def _offset(record: PublishOk) -> int:
    return record.position.offset if record.position is not None else 0
