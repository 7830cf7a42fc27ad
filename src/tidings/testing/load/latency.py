"""Latencies, kept in the buckets of an HdrHistogram: a fixed 260 KiB, however many there are.

Every latency from a nanosecond to an hour is kept to three digits, so that p99.9 is as exact as p50 and what was slow
once in a million is still there. What is read from a recorder is a `Summary`, a frozen value, or a plot of plain
characters.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import msgspec
from hdrh.histogram import HdrHistogram

from tidings.testing.load import clock
from tidings.testing.load.plot import histogram, readable

LONGEST = 3600.0
"""Seconds. Whatever takes longer is kept as this."""

DIGITS = 3
PERCENTILES = (50.0, 95.0, 99.0, 99.9)
SECOND = 10**9
"""In nanoseconds, which is what the histogram counts in."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured: how many calls, and how many seconds they took. `p999` is p99.9.

    At least 99 % of the calls took no longer than `p99`, and so on. Percentiles are exact to a thousandth.
    """

    count: int
    minimum: float
    mean: float
    p50: float
    p95: float
    p99: float
    p999: float
    maximum: float

    def __str__(self) -> str:
        named = [("mean", self.mean), ("p50", self.p50), ("p95", self.p95), ("p99", self.p99), ("p99.9", self.p999)]
        parts = [f"{name} {readable(value)}" for name, value in [*named, ("max", self.maximum)]]
        return f"{self.count:,} calls: {', '.join(parts)}"

    def json(self) -> str:
        """One JSON object with the fields of this value, in seconds."""
        return msgspec.json.encode(self).decode()


class LatencyRecorder:
    """Records how long things took. Any task of one loop may record; threads and processes have one each and `merge`.

    >>> latency = LatencyRecorder()
    >>> latency.record(0.012)
    >>> assert latency.summary().p99 < 0.1
    """

    def __init__(self) -> None:
        self._histogram: Any = HdrHistogram(1, int(LONGEST * SECOND), DIGITS)
        self._total = 0.0
        """Seconds, for an exact mean."""
        self._minimum = math.inf
        self._maximum = 0.0

    def __repr__(self) -> str:
        return f"<LatencyRecorder: {self.summary() if self.count else 'nothing recorded'}>"

    # What goes in.

    def record(self, seconds: float) -> None:
        """Keep one latency. Raises `ValueError` for what is none: negative, infinite or not a number."""
        if not 0.0 <= seconds < math.inf:
            raise ValueError(f"A latency of {seconds} s cannot be: subtract the earlier time from the later one.")
        seconds = min(seconds, LONGEST)
        self._histogram.record_value(int(seconds * SECOND))
        self._note(seconds, seconds, seconds)

    @contextmanager
    def time(self) -> Iterator[None]:
        """Record how long the block takes, also when it fails: those that time out are the slowest."""
        started = clock.now()
        try:
            yield
        finally:
            self.record(clock.now() - started)

    def merge(self, other: LatencyRecorder) -> None:
        """Keep what the other one has kept, too."""
        if not other.count:
            return
        self._histogram.add(other._histogram)
        self._note(other._total, other._minimum, other._maximum)

    # What comes out.

    @property
    def count(self) -> int:
        return int(self._histogram.get_total_count())

    def percentile(self, percent: float) -> float:
        """The seconds that at least `percent` of the calls did not exceed.

        Raises `ValueError` if nothing was recorded, and for a percentage that is not from 0 to 100.
        """
        if not 0.0 <= percent <= 100.0:
            raise ValueError(f"There is no percentile {percent}: they go from 0 to 100.")
        (value,) = self._percentiles([percent])
        return value

    def summary(self) -> Summary:
        """Raises `ValueError` if nothing was recorded: a test in which nothing happened must not pass as a fast one."""
        p50, p95, p99, p999 = self._percentiles(PERCENTILES)
        return Summary(
            count=self.count,
            minimum=self._minimum,
            mean=self._total / self.count,
            p50=p50,
            p95=p95,
            p99=p99,
            p999=p999,
            maximum=self._maximum,
        )

    def plot(self, title: str = "") -> str:
        """Lines of up to 70 plain characters: a bar for each range of latencies, with the percentiles beside them.

        Raises `ValueError` if nothing was recorded.
        """
        marks = dict(zip(["p50", "p95", "p99", "p99.9"], self._percentiles(PERCENTILES), strict=True))
        summary = self.summary()
        bars = histogram(self._buckets(), minimum=summary.minimum, maximum=summary.maximum, marks=marks)
        return "\n".join(filter(None, [title, _heading(summary), *bars]))

    # Across processes.

    def encode(self) -> str:
        """The whole recorder as a line of text, which `decode` reads in another process."""
        kept = {"total": self._total, "minimum": self._minimum, "maximum": self._maximum}
        return msgspec.json.encode(
            {**kept, "histogram": self._histogram.encode().decode()} if self.count else {}
        ).decode()

    @classmethod
    def decode(cls, text: str) -> LatencyRecorder:
        """A recorder with what another one has encoded. Raises `ValueError` for anything else."""
        recorder = cls()
        try:
            kept = msgspec.json.decode(text, type=dict[str, float | str])
            if kept:
                recorder._histogram.decode_and_add(kept["histogram"])
                recorder._note(float(kept["total"]), float(kept["minimum"]), float(kept["maximum"]))
        except Exception as error:  # The library raises whatever base64, zlib and struct do.
            raise ValueError("This is not what LatencyRecorder.encode() wrote.") from error
        return recorder

    # Private steps.

    def _note(self, total: float, minimum: float, maximum: float) -> None:
        self._total += total
        self._minimum = min(self._minimum, minimum)
        self._maximum = max(self._maximum, maximum)

    def _percentiles(self, percents: Iterable[float]) -> list[float]:
        count = self.count
        if not count:
            raise ValueError("Nothing was recorded, so there is nothing to say about how long it took.")
        buckets = list(self._buckets())
        sums = list(accumulate(number for _, number in buckets))
        # The library's own percentiles take the nearest rank: of 60 calls one, more than 1 %, can exceed their p99.
        ranks = [math.ceil(round(percent * count / 100, 6)) for percent in percents]
        return [buckets[bisect_left(sums, rank)][0] for rank in ranks]

    def _buckets(self) -> Iterator[tuple[float, int]]:
        """What was recorded, as the upper ends of buckets in seconds, and how many are in each; in rising order."""
        kept = self._histogram
        for index, number in enumerate(kept.counts[:]):  # A list at once is ten times as fast as one by one.
            if number:
                value = kept.get_highest_equivalent_value(kept.get_value_from_index(index))
                yield min(value / SECOND, self._maximum), number


def _heading(summary: Summary) -> str:
    return f"{summary.count:,} calls, mean {readable(summary.mean)}, slowest {readable(summary.maximum)}"
