"""Where publications stand in the streams of a run, as far as anybody has said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidings.testing.delivery.publications import Publication
from tidings.testing.delivery.records import Delivered, PublishOk


class Places:
    """Which publication stands at which offset of which epoch, as acknowledgements say and as clients were shown.

    `conflicts` are the records that contradict what was said before: another publication at the same place, or the
    same one at another place of that epoch. Where the epoch is not known nothing can be said.
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
        for record in acknowledgements:
            if record.position is not None:
                channel = publications[record.id].channel
                self._claim(record, channel, record.position.epoch, record.position.offset)
        for delivery in deliveries:
            self._claim(delivery, delivery.channel, delivery.epoch, delivery.offset)

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
