"""What a performance test says: a percentile or a ratio, never the reading of a stopwatch.

A single reading says little: it is one sample of an unknown distribution, on a machine that does other things as well.
A percentile says of how many samples it holds, and a ratio says that two things were measured in the same minute.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Mapping

import msgspec
import pytest

MEASURED = pytest.StashKey["Measured"]()

RATIO = "ratio"
PERCENTILE = re.compile(r"p(\d+(?:_\d+)?)")


class Measurement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One result of a test. `values` are by percentile, or the single one of a ratio; bounds hold for `bounded`."""

    name: str
    values: Mapping[str, float]
    unit: str = ""
    bounded: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def holds(self) -> bool:
        """Whether it is within its bounds."""
        value = self.values[self.bounded] if self.bounded else 0.0
        return not (
            (self.at_most is not None and value > self.at_most) or (self.at_least is not None and value < self.at_least)
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.told}{self.bounds}"

    @property
    def told(self) -> str:
        """Its values as words."""
        names = {key: "" if key == RATIO else f"{_spoken(key)} " for key in self.values}
        return ", ".join(f"{names[key]}{value:.4g} {self.unit}".strip() for key, value in self.values.items())

    @property
    def bounds(self) -> str:
        """Its bounds as words, "" where there are none."""
        words = []
        if self.at_most is not None:
            words.append(f"at most {self.at_most:.4g}")
        if self.at_least is not None:
            words.append(f"at least {self.at_least:.4g}")
        if not words:
            return ""
        of = f"{_spoken(self.bounded)} " if len(self.values) > 1 else ""
        return f" ({of}{' and '.join(words)})"


class Measured:
    """The fixture `measured`: reports measurements, and fails the test when a bound does not hold.

    What was reported stands in the summary either way.
    """

    def __init__(self) -> None:
        self.reported: list[Measurement] = []

    def __repr__(self) -> str:
        return f"<Measured: {'; '.join(map(str, self.reported)) or 'nothing yet'}>"

    def percentile(self, name: str, *, bound: float | None = None, unit: str = "ms", **percentiles: float) -> None:
        """Report percentiles: `measured.percentile("delivery", p50=3.1, p99=12.4, bound=100.0)`.

        `p99_9` is the 99.9th. `bound` is what the highest of those named may be at most. Raises `AssertionError` when
        it is more, and `ValueError` for what is no percentile or no number.
        """
        __tracebackhide__ = True
        if not percentiles:
            raise ValueError(f"name a percentile of {name}: measured.percentile({name!r}, p99=…).")
        order = sorted(percentiles, key=lambda key: _rank(key, name))
        values = {key: _number(percentiles[key], f"{key} of {name}") for key in order}
        at_most = _bound(bound, name)
        self._report(Measurement(name=name, values=values, unit=unit, bounded=order[-1], at_most=at_most))

    def ratio(
        self, name: str, value: float, *, bound: float | None = None, at_least: float | None = None, to: str = ""
    ) -> None:
        """Report a ratio: `measured.ratio("CPU per delivery", ours / raw, bound=1.35, to="a raw loop")`.

        `bound` is what it may be at most, `at_least` what it has to be, `to` what was compared with. Raises
        `AssertionError` when it is not so, and `ValueError` for what is no number.
        """
        __tracebackhide__ = True
        values = {RATIO: _number(value, name)}
        unit = f"× {to}".strip()
        bounds = {"at_most": _bound(bound, name), "at_least": _bound(at_least, name)}
        self._report(Measurement(name=name, values=values, unit=unit, bounded=RATIO, **bounds))

    def _report(self, measurement: Measurement) -> None:
        __tracebackhide__ = True
        self.reported.append(measurement)
        if not measurement.holds:
            raise AssertionError(f"out of bounds: {measurement}")


class Stage:
    """Gives tests the fixture, and refuses a performance test that has asked for it and then reported nothing."""

    def __init__(self, *, required: bool) -> None:
        self._required = required

    @pytest.fixture
    def measured(self, request: pytest.FixtureRequest) -> Measured:
        """Where a performance test reports its percentiles and ratios."""
        measured: Measured = request.node.stash.setdefault(MEASURED, Measured())
        return measured

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        yield
        measured = item.stash.get(MEASURED, None)
        asked = measured is not None or self._required
        if asked and item.get_closest_marker("performance") and not (measured and measured.reported):
            pytest.fail(
                "a performance test that reported nothing: give measured.percentile(…) or measured.ratio(…) what was "
                "measured. A single reading of a clock is neither.",
                pytrace=False,
            )


def _spoken(key: str) -> str:
    return key.replace("_", ".")


def _rank(key: str, name: str) -> float:
    match = PERCENTILE.fullmatch(key)
    rank = float(match[1].replace("_", ".")) if match else math.nan
    if not 0 < rank <= 100:
        raise ValueError(f"{key} of {name} is no percentile; write p50, p99 or p99_9.")
    return rank


def _number(value: float, what: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{what} is {value}, which is not a measurement.")
    return float(value)


def _bound(value: float | None, name: str) -> float | None:
    """A bound that holds for everything, as one that is no number does, is none."""
    return None if value is None else _number(value, f"the bound of {name}")
