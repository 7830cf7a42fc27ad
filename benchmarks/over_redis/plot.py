"""Figures as bars of text, for terminals and documents."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 40


def bars(rows: Sequence[tuple[str, float]], *, unit: str, width: int = WIDTH) -> list[str]:
    """A line for each figure, with a bar in proportion to the largest; what is not zero has a bar that can be seen.

    >>> bars([("1 node", 10.0), ("2 nodes", 20.0)], unit="µs", width=4)
    ['1 node  |##   10.0 µs', '2 nodes |#### 20.0 µs']
    """
    most = max((value for _, value in rows), default=0.0)
    names = max((len(name) for name, _ in rows), default=0)
    figures = [f"{value:,.1f}" for _, value in rows]
    digits = max(map(len, figures), default=0)
    return [
        f"{name:<{names}} |{'#' * _length(value, most, width):<{width}} {figure:>{digits}} {unit}"
        for (name, value), figure in zip(rows, figures, strict=True)
    ]


def _length(value: float, most: float, width: int) -> int:
    return max(1, round(width * value / most)) if value > 0 else 0
