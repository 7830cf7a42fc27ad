"""A run: every row, every server in turn, round by round."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterable
from contextlib import ExitStack

import msgspec

from benchmarks.rows import Figures, Row, Scale
from benchmarks.servers import Server

Step = Callable[[int, str], None]
"""Told how many steps are done and what is measured next, once for each server and round."""


class Results(msgspec.Struct):
    """The figures of a run: row → server → one set of figures for each round."""

    rows: dict[str, dict[str, list[Figures]]] = {}

    def median(self, row: str, server: str, figure: str) -> float | None:
        """The median over the rounds; None where it was not measured."""
        values = self._values(row, server, figure)
        return statistics.median(values) if values else None

    def ratio(self, row: str, server: str, other: str, figure: str) -> float | None:
        """The median of the rounds' ratios. Two figures of one round were taken within seconds of each other."""
        pairs = zip(self._values(row, server, figure), self._values(row, other, figure), strict=False)
        ratios = [mine / theirs for mine, theirs in pairs if theirs]
        return statistics.median(ratios) if ratios else None

    def most(self, row: str, server: str, figure: str) -> float | None:
        """The highest of the rounds."""
        return max(self._values(row, server, figure), default=None)

    def total(self, server: str, figure: str) -> int:
        """The sum over all rows and rounds."""
        return round(sum(sum(self._values(row, server, figure)) for row in self.rows))

    def _values(self, row: str, server: str, figure: str) -> list[float]:
        rounds = self.rows.get(row, {}).get(server, [])
        return [figures[figure] for figures in rounds if figure in figures]


def run(rows: Iterable[Row], servers: list[Server], scale: Scale, step: Step) -> Results:
    """Measure the rows one after another; within a row A B C A B C …, so that all servers meet the same weather."""
    results = Results()
    done = itertools.count()
    for row in rows:
        with ExitStack() as stack:
            measures = [(server.key, stack.enter_context(row.block(server, scale))) for server in servers]
            samples: dict[str, list[Figures]] = {key: [] for key, _ in measures}
            for number in range(row.rounds(scale)):
                for key, measure in measures:
                    step(next(done), f"{row.title}, round {number + 1} of {row.rounds(scale)}: {key}")
                    samples[key].append(measure())
            results.rows[row.name] = samples
    return results


def steps(rows: Iterable[Row], servers: list[Server], scale: Scale) -> int:
    """How often `run` will call its `step`."""
    return sum(row.rounds(scale) for row in rows) * len(servers)
