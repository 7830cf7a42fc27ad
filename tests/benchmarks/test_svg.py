"""Figures become lines over logarithmic axes, which suit light pages and dark ones."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from benchmarks.capacity.svg import Axis, number, plot

pytestmark = pytest.mark.core

SVG = "{http://www.w3.org/2000/svg}"


def drawn(lines: dict[str, list[tuple[float, float]]]) -> ElementTree.Element:
    return ElementTree.fromstring(plot("CPU of a delivery", "subscribers", "µs", lines))


def test_equal_ratios_are_equal_distances() -> None:
    """From 10 to 100 it is as far as from 100 to 1,000, and higher values are higher on the paper."""
    axis = Axis([10.0, 1000.0], 300.0, 0.0)
    low, middle, high = (axis.place(value) for value in (10.0, 100.0, 1000.0))
    assert low > middle > high
    assert low - middle == pytest.approx(middle - high)


def test_an_axis_names_whole_decades() -> None:
    """And steps between them where there would be too few to read."""
    assert Axis([1.0, 10_000.0], 0.0, 1.0).ticks() == [1.0, 10.0, 100.0, 1000.0, 10_000.0]
    assert Axis([8.0, 12.0], 0.0, 1.0).ticks() == [5.0, 10.0, 20.0]
    assert Axis([7.0], 0.0, 1.0).ticks()


def test_every_line_is_named_and_has_its_points() -> None:
    """A line for each name; names that end at the same height do not cover each other."""
    picture = drawn({"one <b>": [(1, 2), (10, 20)], "another": [(1, 2), (10, 20), (100, 20)]})
    assert len(picture.findall(f"{SVG}polyline")) == 2
    assert len(picture.findall(f"{SVG}circle")) == 5
    names = [each for each in picture.findall(f"{SVG}text") if "name" in each.get("class", "").split()]
    assert sorted(each.text or "" for each in names) == ["another", "one <b>"]
    assert abs(float(names[0].get("y", "0")) - float(names[1].get("y", "0"))) >= 12


def test_what_is_not_above_zero_is_left_out() -> None:
    """It has no place on such an axis; and a drawing without figures is still one."""
    assert len(drawn({"line": [(1, 0.0), (10, 5.0), (100, 6.0)]}).findall(f"{SVG}circle")) == 2
    assert drawn({"line": []}).findall(f"{SVG}circle") == []


def test_it_follows_the_colour_scheme_of_the_reader() -> None:
    """Without a ground of its own, and with colours for the dark."""
    text = plot("title", "across", "unit", {"line": [(1, 1), (10, 10)]})
    assert "prefers-color-scheme: dark" in text
    assert "<rect" not in text


@pytest.mark.parametrize(("value", "words"), [(0.5, "0.5"), (20, "20"), (1000, "1,000"), (100_000, "100k")])
def test_numbers_are_short(value: float, words: str) -> None:
    assert number(value) == words
