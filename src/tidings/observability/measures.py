"""Counting that costs next to nothing while things happen; Prometheus' own metrics are made of it when it asks.

A lock and a few calls per count are too much for what happens with every publication, so these are plain numbers. They
belong to one event loop: count there, and collect there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The bounds of the histograms: from what one delivery takes to what a client would call dead."""


class Measures:
    """All that is counted in one place. Made by name, meaning and labels; collected in the order of making."""

    def __init__(self) -> None:
        self._measures: list[Counter | Histogram] = []

    def collect(self) -> Iterator[Metric]:
        """What has been counted until now."""
        for measure in self._measures:
            yield measure.collect()

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        counter = Counter(name, meaning, *labels)
        self._measures.append(counter)
        return counter

    def gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        gauge = Gauge(name, meaning, *labels)
        self._measures.append(gauge)
        return gauge

    def histogram(self, name: str, meaning: str, *labels: str) -> Histogram:
        histogram = Histogram(name, meaning, SECONDS, *labels)
        self._measures.append(histogram)
        return histogram


class Counter:
    """What only grows. `add` takes the values of the labels in their order."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self._about = name, meaning
        self._labels = labels
        self._values: defaultdict[tuple[str, ...], float] = defaultdict(int)

    def add(self, amount: float, *labels: str) -> None:
        self._values[labels] += amount

    def collect(self) -> Metric:
        family = CounterMetricFamily(*self._about, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        return family


class Gauge(Counter):
    """What also shrinks: `add` a negative amount, or `set` what it is."""

    def set(self, value: float, *labels: str) -> None:
        self._values[labels] = value

    def collect(self) -> Metric:
        family = GaugeMetricFamily(*self._about, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        return family


class Histogram:
    """How often a value was at most each of `bounds`, and the sum of all values."""

    def __init__(self, name: str, meaning: str, bounds: Sequence[float], *labels: str) -> None:
        self._about = name, meaning
        self._labels = labels
        self._bounds = bounds
        self._series: defaultdict[tuple[str, ...], _Series] = defaultdict(lambda: _Series(len(bounds)))
        if not labels:
            self._series[()] = _Series(len(bounds))

    def observe(self, value: float, *labels: str) -> None:
        series = self._series[labels]
        series.counts[bisect_left(self._bounds, value)] += 1
        series.sum += value

    def collect(self) -> Metric:
        family = HistogramMetricFamily(*self._about, labels=self._labels)
        names = [*map(str, self._bounds), "+Inf"]
        for labels, series in self._series.items():
            buckets = list(zip(names, accumulate(series.counts), strict=True))
            family.add_metric(labels, buckets, series.sum)
        return family


class _Series:
    """The counts between the bounds, the last one of what is above all of them."""

    __slots__ = ("counts", "sum")

    def __init__(self, bounds: int) -> None:
        self.counts = [0] * (bounds + 1)
        self.sum = 0.0
