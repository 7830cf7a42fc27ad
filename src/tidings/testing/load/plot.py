"""Latencies as text, for terminals, logs and documents: seventy plain characters a line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

ROWS = 12
BAR = 28
SHORTEST = 1e-9
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def readable(seconds: float) -> str:
    """A time in the unit that suits it, with three digits: "1.25 ms", "40 us", "12 s"."""
    for size, unit in UNITS:
        value = seconds / size
        if float(f"{value:.3g}") >= 1.0:
            return f"{value:.0f} {unit}" if value >= 999.5 else f"{value:.3g} {unit}"
    return "0 s"


def histogram(
    counts: Iterable[tuple[float, int]], *, minimum: float, maximum: float, marks: Mapping[str, float]
) -> list[str]:
    """A line for each of up to twelve ranges of equal ratio, and in it the marks (names of times) that fall there.

        to  1.25 ms |############################     1,204  p50

    Whatever is not empty has a bar that can be seen, however few there are. Lines have no spaces at their end.
    """
    limits = ranges(minimum, maximum)
    heights, names = [0] * len(limits), [""] * len(limits)
    for seconds, count in counts:
        heights[place(limits, seconds)] += count
    for name, seconds in marks.items():
        names[place(limits, seconds)] += f" {name}"
    highest = max(heights)
    return [_row(*row, highest=highest) for row in zip(limits, heights, names, strict=True)]


def ranges(minimum: float, maximum: float) -> list[float]:
    """The upper ends of the ranges, from just above `minimum` to `maximum` itself."""
    low, high = max(minimum, SHORTEST), max(maximum, SHORTEST)
    # Ranges that read alike would say nothing: a row for each 2 % at most.
    rows = max(1, min(ROWS, int(math.log(high / low) / math.log(1.02))))
    return [low * (high / low) ** (row / rows) for row in range(1, rows)] + [high]


def place(limits: list[float], seconds: float) -> int:
    """In which of the ranges a time is; what is above them all is in the last."""
    return next((row for row, limit in enumerate(limits) if seconds <= limit), len(limits) - 1)


def _row(limit: float, count: int, names: str, *, highest: int) -> str:
    bar = "#" * max(round(BAR * count / highest), 1 if count else 0)
    return f"to {readable(limit):>8} |{bar:<{BAR}} {count:>9,} {names}".rstrip()
