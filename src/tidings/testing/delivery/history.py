"""What happened in a run, in the order of time, from any number of threads, tasks and processes.

>>> history = History()
>>> history.note(lambda at: Connected(at, "ann"))
>>> history.save(path)

Records are only ever added. A history may be written to a file of JSON lines, to look at it after a failure and to
check it again; several processes write one each, and `merged` puts them in order. All of them have to run on one
machine, whose monotonic clock they share.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Self, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tidings.testing.delivery.records import AnyRecord

R = TypeVar("R", bound=AnyRecord)


class Began(Struct, frozen=True, tag=True, tag_field="kind"):
    """The first line of a file: what the machine's monotonic clock showed when the run began."""

    origin: float


_lines = msgspec.json.Decoder(AnyRecord | Began)


class History:
    """The records of a run. May be used from several threads at once.

    `origin` is what the machine's monotonic clock showed when the run began, by default now; a second process of the
    same run may be given the first one's. `clock` is that clock.
    """

    def __init__(
        self,
        records: Iterable[AnyRecord] = (),
        *,
        origin: float | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock or time.monotonic
        self.origin = self._clock() if origin is None else origin
        self._records: list[AnyRecord] = []
        self._latest: dict[str, float] = {}
        self._lock = threading.Lock()
        self.add(*records)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[AnyRecord]:
        return iter(self.records())

    def __repr__(self) -> str:
        return f"<History: {len(self)} records>"

    def now(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self.origin

    # In.

    def note(self, make: Callable[[float], R]) -> R:
        """Add the record that `make` makes of the present time, and return it."""
        with self._lock:
            record = make(self.now())
            self._append(record)
        return record

    def add(self, *records: AnyRecord) -> None:
        """Add records that have their time already.

        What concerns one client has to be added in its order. Raises `ValueError` for a time that is no number or that
        goes back for its client.
        """
        with self._lock:
            for record in records:
                self._append(record)

    # Out.

    def records(self) -> list[AnyRecord]:
        """All records in the order of time; what happened at the same time, in the order in which it was added."""
        with self._lock:
            return sorted(self._records, key=attrgetter("at"))

    def save(self, path: Path | str) -> None:
        """Write everything to a file, one JSON object in each line."""
        encode = msgspec.json.Encoder().encode
        with Path(path).open("wb") as file:
            file.write(encode(Began(self.origin)) + b"\n")
            file.writelines(encode(record) + b"\n" for record in self.records())

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """What `save` has written. Raises `ValueError` with the number of the line that is no record."""
        history = cls(origin=0.0)
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    record = _lines.decode(line)
                    if isinstance(record, Began):
                        history.origin = record.origin
                    else:
                        history.add(record)
                except ValueError as error:
                    raise ValueError(f"line {number} of {path} is not a record of a history: {error}") from error
        return history

    @classmethod
    def merged(cls, *histories: History) -> Self:
        """One history of several that processes of one machine have collected; times count from the first origin."""
        origin = min((history.origin for history in histories), default=None)
        merged = cls(origin=origin)
        everything: list[AnyRecord] = []
        for history in histories:
            later = history.origin - merged.origin
            everything += (replace(each, at=each.at + later) if later else each for each in history.records())
        merged.add(*sorted(everything, key=attrgetter("at")))
        return merged

    # Private steps.

    def _append(self, record: AnyRecord) -> None:
        if not math.isfinite(record.at):
            raise ValueError(f"a record needs a time in seconds, and this one has {record.at}: {record}")
        client = getattr(record, "client", None)
        if client is not None:
            if record.at < self._latest.get(client, -math.inf):
                raise ValueError(f"time goes back for client {client!r}: add its records in its own order: {record}")
            self._latest[client] = record.at
        self._records.append(record)
