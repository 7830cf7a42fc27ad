"""Thousands of connections in one process, and what is published while they are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.capacity.parts import Scale
from benchmarks.load import Load, payload
from benchmarks.machine import resident_bytes
from benchmarks.rows import Figures, Measure
from benchmarks.servers import KEPT, Server

SIZE_BYTES = 100


@contextmanager
def crowd(server: Server, scale: Scale) -> Iterator[Measure]:
    """Every connection is in one of many channels; publications go to one channel after another."""

    def measure() -> Figures:
        figures: Figures = {}
        for count in scale.crowds:
            figures |= {f"{count}, {name}": value for name, value in _one(server, scale, count).items()}
        return figures

    yield measure


def _one(server: Server, scale: Scale, count: int) -> Figures:
    def says(user: str) -> list[str]:
        return server.script(user, _room(int(user.partition("-")[2]) // scale.members))

    rooms = [_room(number) for number in range(count // scale.members)]
    with server, Load(server, count, KEPT, says=says) as load:
        before = resident_bytes(server.pid)
        opened, cpu = server.spent(lambda: load.open(count))
        grown = resident_bytes(server.pid) - before
        requests = [server.request([payload(SIZE_BYTES)], room) for room in rooms]
        load.send(requests, scale.paced // 10, reach=scale.members, rate=scale.rate)
        done, used = server.spent(
            lambda: load.send(requests, scale.paced, reach=scale.members, rate=scale.rate, patience=5.0)
        )
        return {
            "open": opened.open,
            "opened_per_second": opened.open / opened.seconds,
            "in_us": cpu / count * 1e6,
            "kib": grown / count / 1024,
            "p50_ms": done.p50_ms,
            "p95_ms": done.p95_ms,
            "p99_ms": done.p99_ms,
            "cpu_us": used / done.expected * 1e6,
            "server_share": used / done.seconds,
            "load_share": done.load_share,
            "expected": done.expected,
            "lost": done.expected - done.received,
            "disordered": done.disordered,
            "closed": done.closed,
        }


def _room(number: int) -> str:
    """Names of one length, so that requests have one, too."""
    return f"{KEPT}-{number:06}"


def subscriptions(server: Server, channels: list[str]) -> list[str]:
    """What a client says that wants all of these channels."""
    connect, _ = server.script("user", "any")
    asked = [{"id": number, "subscribe": {"channel": name}} for number, name in enumerate(channels, 2)]
    return [connect, *(json.dumps(each, separators=(",", ":")) for each in asked)]
