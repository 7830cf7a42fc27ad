"""How the cost grows: with subscribers of a channel, with channels, with the size of a message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.capacity.crowd import subscriptions
from benchmarks.capacity.parts import Scale
from benchmarks.load import Load, payload
from benchmarks.machine import resident_bytes
from benchmarks.rows import Figures, Measure
from benchmarks.servers import KEPT, PLAIN, Server

PACED = 10
"""Publications of a latency run."""

SPACING = 100e-6
"""Seconds that a latency run leaves for each delivery: several times what one costs."""

TOGETHER = 50
"""Publications in one request to many channels."""


@contextmanager
def connections(server: Server, scale: Scale) -> Iterator[Measure]:
    """One server that more and more subscribers come to."""

    def measure() -> Figures:
        figures: Figures = {}
        most = max(scale.connection_counts)
        with server, Load(server, most, KEPT) as load:
            before, there = resident_bytes(server.pid), 0
            for count in scale.connection_counts:
                load.open(count - there)
                there = count
                server.settle()
                figures[f"{count}, kib"] = (resident_bytes(server.pid) - before) / count / 1024
                load.publish(3)
                figures |= _delivery(server, load, count, scale)
        return figures

    yield measure


def _delivery(server: Server, load: Load, count: int, scale: Scale) -> Figures:
    done, cpu = server.spent(lambda: load.publish(max(4, scale.deliveries // count)))
    paced = load.publish(PACED, rate=min(20.0, 1.0 / (SPACING * count)))
    return {
        f"{count}, cpu_us": cpu / done.expected * 1e6,
        f"{count}, p50_ms": paced.p50_ms,
        f"{count}, p99_ms": paced.p99_ms,
        f"{count}, load_share": done.load_share,
        f"{count}, expected": done.expected + paced.expected,
        f"{count}, lost": done.expected - done.received + paced.expected - paced.received,
    }


@contextmanager
def channels(server: Server, scale: Scale) -> Iterator[Measure]:
    """So many channels, each with one subscriber and a history; publications go to one after another."""

    def measure() -> Figures:
        figures: Figures = {}
        for count in scale.channel_counts:
            figures |= {f"{count}, {name}": value for name, value in _many(server, scale, count).items()}
        return figures

    yield measure


def _many(server: Server, scale: Scale, count: int) -> Figures:
    names = [f"{KEPT}-{number:06}" for number in range(count)]
    each = max(1, count // scale.holders)

    def says(user: str) -> list[str]:
        """A holder of a share of the channels, or, when there are fewer channels than holders, of one by itself."""
        number = int(user.partition("-")[2])
        return subscriptions(server, names[number * each : (number + 1) * each] or [f"{PLAIN}-nothing"])

    with server, Load(server, scale.holders, KEPT, says=says) as load:
        before = resident_bytes(server.pid)
        load.open(scale.holders)
        requests = [_batch(server, names, first) for first in range(0, max(count, 1), TOGETHER)]
        publications = max(scale.deliveries, count) // TOGETHER
        load.send(requests, max(1, count // TOGETHER), burst=TOGETHER, reach=1)  # so that every history has begun
        grown = resident_bytes(server.pid) - before
        done, cpu = server.spent(lambda: load.send(requests, publications, burst=TOGETHER, reach=1))
        return {
            "cpu_us": cpu / done.expected * 1e6,
            "mib": grown / 2**20,
            "p99_ms": done.p99_ms,
            "load_share": done.load_share,
            "expected": done.expected,
            "lost": done.expected - done.received,
        }


def _batch(server: Server, names: list[str], first: int) -> bytes:
    """A request that publishes to fifty channels, over and over again where there are fewer."""
    chosen = [names[(first + number) % len(names)] for number in range(TOGETHER)]
    marked = server.request([payload(0)] * TOGETHER, "0" * len(names[0]))
    for name in chosen:
        marked = marked.replace(b'"' + b"0" * len(name) + b'"', f'"{name}"'.encode(), 1)
    return marked


@contextmanager
def sizes(server: Server, scale: Scale) -> Iterator[Measure]:
    """Messages of more and more bytes to the same subscribers; the stamp of a message is not counted."""
    with server, Load(server, scale.readers, PLAIN) as load:
        load.open(scale.readers)

        def measure() -> Figures:
            figures: Figures = {}
            for size in scale.sizes:
                load.publish(3, size_bytes=size)
                count = max(10, scale.deliveries // scale.readers // 4)
                done, cpu = server.spent(lambda: load.publish(count, size_bytes=size))  # noqa: B023
                figures |= {
                    f"{size}, cpu_us": cpu / done.expected * 1e6,
                    f"{size}, p99_ms": done.p99_ms,
                    f"{size}, load_share": done.load_share,
                    f"{size}, expected": done.expected,
                    f"{size}, lost": done.expected - done.received,
                }
            return figures

        yield measure
