"""The numbers of several processes as if they were one, pure.

What is counted is added: a counter, a gauge, each bucket of a histogram. What describes a process, such as its memory
or when it began, makes no sense as a sum; it stays apart, with the label `worker`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct
from prometheus_client.core import Metric

WORKER = "worker"

Series = tuple[str, tuple[tuple[str, str], ...]]


class Sample(Struct, frozen=True, array_like=True):
    """One number."""

    name: str
    labels: dict[str, str]
    value: float


class Family(Struct, frozen=True, array_like=True):
    """All numbers of one metric. `kind` is Prometheus' word for what it is."""

    name: str
    meaning: str
    kind: str
    samples: list[Sample]


class Reading(Struct, frozen=True, array_like=True):
    """All that a process can tell at one moment: what it has counted, and what describes it."""

    worker: str
    counted: list[Family]
    process: list[Family]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Reading)


def encode(reading: Reading) -> bytes:
    return _encoder.encode(reading)


def decode(data: bytes) -> Reading:
    """Raises `ValueError` for what is no reading, such as the half of one."""
    return _decoder.decode(data)


def families(metrics: Iterable[Metric]) -> list[Family]:
    """Prometheus' metrics as values that can travel."""
    return [
        Family(each.name, each.documentation, each.type, [Sample(one[0], one[1], one[2]) for one in each.samples])
        for each in metrics
    ]


def total(readings: Iterable[Reading]) -> Iterator[Metric]:
    """One page for all: the sums, then each process by itself."""
    readings = list(readings)
    yield from _metrics(each for reading in readings for each in reading.counted)
    yield from _metrics(_of_worker(each, reading.worker) for reading in readings for each in reading.process)


def _of_worker(family: Family, worker: str) -> Family:
    samples = [Sample(one.name, {**one.labels, WORKER: worker}, one.value) for one in family.samples]
    return Family(family.name, family.meaning, family.kind, samples)


def _metrics(parts: Iterable[Family]) -> Iterator[Metric]:
    """Families of the same name as one."""
    by_name: dict[str, tuple[Family, dict[Series, float]]] = {}
    for part in parts:
        _, sums = by_name.setdefault(part.name, (part, {}))
        for sample in part.samples:
            series = sample.name, tuple(sample.labels.items())
            # An info is a fact and no amount: however many say it, it is 1.
            before = 0.0 if part.kind == "info" else sums.get(series, 0.0)
            sums[series] = before + sample.value
    for family, sums in by_name.values():
        metric = Metric(family.name, family.meaning, family.kind)
        for (name, labels), value in sums.items():
            metric.add_sample(name, dict(labels), value)
        yield metric
