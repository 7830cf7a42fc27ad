"""Lines over two logarithmic axes, as an SVG file that suits light pages and dark ones.

A file that is shown as an image follows the reader's colour scheme by a media query of its own; its ground is
transparent, and without the query its colours can be read on either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 44, 48
"""Room around the lines, for the axes' words and for the lines' names."""

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #555 }
.title { font-size: 14px; font-weight: 600 }
.grid { stroke: #999; stroke-opacity: 0.3 }
.line { fill: none; stroke-width: 2 }
.a { stroke: #1a6fb5; fill: #1a6fb5 } .b { stroke: #c05a00; fill: #c05a00 } .c { stroke: #2e8540; fill: #2e8540 }
.d { stroke: #8a4fbd; fill: #8a4fbd } .line { fill: none } .name { stroke: none }
@media (prefers-color-scheme: dark) {
text { fill: #bbb }
.a { stroke: #6db3f2; fill: #6db3f2 } .b { stroke: #f2a154; fill: #f2a154 } .c { stroke: #74c78a; fill: #74c78a }
.d { stroke: #c79bf0; fill: #c79bf0 } .line { fill: none } .name { stroke: none }
}
"""

LETTERS = "abcd"
"""The lines' colours, in order. A plot has at most four."""

Line = Sequence[tuple[float, float]]


class Axis:
    """Where values are between two ends of the paper, on a logarithmic scale of whole decades (or of halves)."""

    def __init__(self, values: Iterable[float], begin: float, end: float) -> None:
        logs = [math.log10(value) for value in values if value > 0] or [0.0]
        self.low, self.high = math.floor(min(logs) * 2) / 2, math.ceil(max(logs) * 2) / 2
        if self.low == self.high:
            self.high += 0.5
        self.begin, self.end = begin, end

    def place(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """1, 10, 100 …; where that is one or none, 2 and 5 of each as well."""
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        whole = self._inside(10.0**decade for decade in decades)
        return whole if len(whole) > 2 else self._inside(step * 10.0**each for each in decades for step in (1, 2, 5))

    def _inside(self, values: Iterable[float]) -> list[float]:
        return [value for value in values if self.low - 1e-9 <= math.log10(value) <= self.high + 1e-9]


def plot(title: str, across: str, unit: str, lines: dict[str, Line]) -> str:
    """The drawing. `lines` are points by name; what is not above zero has no place on such an axis, and is left out."""
    seen = {name: [point for point in line if min(point) > 0] for name, line in lines.items()}
    points = [point for line in seen.values() for point in line]
    horizontal = Axis((x for x, _ in points), LEFT, WIDTH - RIGHT)
    vertical = Axis((y for _, y in points), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        _text(LEFT, 20, title, "title"),
        _text(LEFT, 36, unit),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, across, anchor="middle"),
        *_grid(horizontal, vertical),
    ]
    for letter, (_name, line) in zip(LETTERS, seen.items(), strict=False):
        parts += _line(letter, [(horizontal.place(x), vertical.place(y)) for x, y in line])
    parts += _names(seen, vertical)
    return "\n".join([*parts, "</svg>", ""])


def number(value: float) -> str:
    """As an axis says it: 0.5, 20, 1,000, 100k."""
    if value >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _grid(horizontal: Axis, vertical: Axis) -> list[str]:
    parts = []
    for tick in horizontal.ticks():
        x = horizontal.place(tick)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(_text(x, HEIGHT - BOTTOM + 18, number(tick), anchor="middle"))
    for tick in vertical.ticks():
        y = vertical.place(tick)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(_text(LEFT - 8, y + 4, number(tick), anchor="end"))
    return parts


def _line(letter: str, points: Sequence[tuple[float, float]]) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [f'<circle class="{letter}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points]
    return [f'<polyline class="line {letter}" points="{path}"/>', *dots]


def _names(lines: dict[str, Line], vertical: Axis) -> list[str]:
    """Each name at the end of its line; names that would cover each other move down."""
    ends = [
        (vertical.place(line[-1][1]), letter, name)
        for letter, (name, line) in zip(LETTERS, lines.items(), strict=False)
        if line
    ]
    parts, free = [], 0.0
    for y, letter, name in sorted(ends):
        free = max(y + 4, free)
        parts.append(_text(WIDTH - RIGHT + 10, free, name, f"name {letter}"))
        free += 15
    return parts


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(words)}</text>'
