"""A part of the run: one row, the servers that it compares, and what it says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from benchmarks.report import Table
from benchmarks.rows import Measure
from benchmarks.runs import Results, Step
from benchmarks.servers import Server
from benchmarks.workplace import Workplace


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    seconds: float
    """of publishing by HTTP, for each kind of request"""
    callers: int
    commands: int
    """in a batch"""
    crowds: tuple[int, ...]
    members: int
    """of each channel of a crowd"""
    paced: int
    """publications in a latency run, at `rate` a second"""
    rate: float
    subscribers: int
    publications: int
    bursts: int
    connection_counts: tuple[int, ...]
    deliveries: int
    """for each figure of the growth, or as many as one publication makes"""
    channel_counts: tuple[int, ...]
    holders: int
    """connections that have the channels among them"""
    sizes: tuple[int, ...]
    readers: int
    rounds: int


FULL = Scale(
    seconds=3.0,
    callers=16,
    commands=200,
    crowds=(10_000, 18_000),
    members=100,
    paced=1500,
    rate=100.0,
    subscribers=1000,
    publications=20,
    bursts=2,
    connection_counts=(100, 300, 1000, 3000, 10_000),
    deliveries=40_000,
    channel_counts=(1, 10, 100, 1000, 10_000, 100_000),
    holders=1000,
    sizes=(16, 64, 256, 1024, 4096, 16_384, 65_536),
    readers=200,
    rounds=3,
)
QUICK = Scale(
    seconds=0.2,
    callers=4,
    commands=20,
    crowds=(100,),
    members=10,
    paced=40,
    rate=100.0,
    subscribers=40,
    publications=5,
    bursts=2,
    connection_counts=(10, 40),
    deliveries=400,
    channel_counts=(1, 10, 100),
    holders=10,
    sizes=(16, 4096),
    readers=20,
    rounds=1,
)

Block = Callable[[Server, Scale], AbstractContextManager[Measure]]


@dataclass(frozen=True)
class Drawing:
    """A plot: `unit` over `across`, as lines of points by name. Both axes are logarithmic."""

    name: str
    title: str
    across: str
    unit: str
    lines: dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class Part:
    """A row by name. `block` is as in `benchmarks.rows`; `servers` take turns in it; `seldom` is for one round only."""

    name: str
    title: str
    block: Block
    servers: Callable[[Workplace], list[Server]]
    tables: Callable[[Results, Sequence[Server], Scale], list[Table]]
    drawings: Callable[[Results, Sequence[Server], Scale], list[Drawing]] = lambda results, servers, scale: []
    notes: Callable[[], list[str]] = list
    seldom: bool = False

    def rounds(self, scale: Scale) -> int:
        return 1 if self.seldom else scale.rounds


def run(part: Part, servers: Sequence[Server], scale: Scale, step: Step) -> Results:
    """Measure one row; A B C A B C …, so that all servers meet the same weather."""
    samples: dict[str, list[dict[str, float]]] = {server.key: [] for server in servers}
    with ExitStack() as stack:
        measures = [(server.key, stack.enter_context(part.block(server, scale))) for server in servers]
        turns = itertools.product(range(part.rounds(scale)), measures)
        for done, (number, (key, measure)) in enumerate(turns):
            step(done, f"{part.title}, round {number + 1} of {part.rounds(scale)}: {key}")
            samples[key].append(measure())
    return Results({part.name: samples})
