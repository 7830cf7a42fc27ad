"""Levels and categories: the markers, and what follows from what.

The four levels say how much of a test is real. A category says what it is about. The two are related, and the plugin
adds what follows, so that `-m unit` finds a test that is marked `L1` and the other way round.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import PurePath

import pytest

LEVELS: Mapping[str, str] = {
    "L1": "one unit alone",
    "L2": "real parts together, in one process",
    "L3": "real services out of process; a mock needs @mock_justified",
    "L4": "the whole system; a mock needs @mock_justified",
}

CATEGORIES: Mapping[str, str] = {
    "unit": "level L1",
    "integration": "parts together: level L2 or L3",
    "performance": "measures, and reports ratios or percentiles",
    "security": "who may do what",
    "resilience": "what happens when a part fails",
    "smoke": "a quick look at whether it works at all",
    "ml": "models and what they recommend",
    "async": "a coroutine test; the plugin marks these itself, since `async` is a keyword",
    "load": "many at once, or for long",
    "integration_real_server": "against a server that runs already, at $SERVER_URL; level L3",
}

MARKED = frozenset({*CATEGORIES, *LEVELS})
"""The categories and levels that a marker stands for."""

FOLLOWS: Mapping[str, frozenset[str]] = {
    "L1": frozenset({"unit"}),
    "unit": frozenset({"L1"}),
    "L2": frozenset({"integration"}),
    "L3": frozenset({"integration"}),
    "integration_real_server": frozenset({"L3", "integration"}),
}
"""`integration` alone leaves open whether its level is L2 or L3, so no level follows from it."""

HONEST = ("L3", "L4")
"""The levels at which a mock has to be justified."""


def implied(markers: Iterable[str]) -> frozenset[str]:
    """What follows from these markers, without them."""
    given = frozenset(markers)
    levels = given & LEVELS.keys()
    following = frozenset[str]().union(*(FOLLOWS.get(name, frozenset()) for name in given))
    # Who states a level means it: nothing else adds a second one.
    return following - given - (LEVELS.keys() if levels else frozenset())


def belongs(category: str, path: PurePath, names: Iterable[str]) -> bool:
    """Whether a test is of a category that no marker stands for.

    It is when its file, or its class, has all words of the category in its name: `redis_subscriber` are the tests in
    `test_redis_event_subscriber.py`.
    """
    words = category.lower().split("_")
    return any(set(words) <= set(name.lower().split("_")) for name in (path.stem, *names))


def nearest(category: str, names: Iterable[str]) -> str:
    """A category that may have been meant: a marker, or words of which one of these names has all; "" for none."""
    if marker := get_close_matches(category, sorted(MARKED), n=1):
        return marker[0]
    for name in names:
        there = sorted(set(name.lower().split("_")) - {"test"})
        close = [get_close_matches(word, there, n=1) for word in category.lower().split("_")]
        if all(close):
            return "_".join(found[0] for found in close)
    return ""


class Levels:
    """Marks tests with what follows from their markers, and leaves out those of other categories."""

    def __init__(self, categories: Iterable[str]) -> None:
        self._categories = tuple(categories)
        self._empty: dict[str, str] = {}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        names = {mark.name for mark in item.iter_markers()}
        for name in sorted(implied(names)):
            item.add_marker(name)
        if inspect.iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker("async")

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if not self._categories:
            return
        names = {name: None for item in items for name in (PurePath(item.path).stem, *classes_of(item))}
        for category in self._categories:
            if not any(is_in(item, category) for item in items):
                self._empty[category] = nearest(category, names)
        chosen = [item for item in items if any(is_in(item, name) for name in self._categories)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for category, meant in self._empty.items():
            question = f" Is {meant} meant?" if meant else ""
            terminalreporter.write_line(f"No test is of the category {category}.{question}", yellow=True)


def is_in(item: pytest.Item, category: str) -> bool:
    """Whether a test is marked with a category, or named after one that no marker of the toolkit stands for."""
    if item.get_closest_marker(category) is not None:
        return True
    return category not in MARKED and belongs(category, PurePath(item.path), classes_of(item))


def classes_of(item: pytest.Item) -> list[str]:
    return [part.name for part in item.listchain() if isinstance(part, pytest.Class)]


def markers_of(item: pytest.Item) -> list[str]:
    """A test's levels and categories, in the order in which they stand above."""
    names = {mark.name for mark in item.iter_markers()}
    return [name for name in (*LEVELS, *CATEGORIES) if name in names]
