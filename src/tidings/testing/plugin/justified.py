"""`@mock_justified("why")`: what a mock in an L3 or L4 test needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

T = TypeVar("T")

ATTRIBUTE = "__mock_justified__"
MARK = "mock_justified"


def mock_justified(reason: str) -> Callable[[T], T]:
    """Say why a mock is right in a test whose level promises real parts.

    Decorates a test, a class of tests, or a fixture (below `@pytest.fixture`); a whole module says it by
    `pytestmark = pytest.mark.mock_justified("why")`. The reasons stand in the summary of the run. Raises `ValueError`
    without a reason.
    """
    stated = checked(reason)

    def justify(target: T) -> T:
        if type(target).__name__ == "FixtureFunctionDefinition" or hasattr(target, "__pytest_wrapped__"):
            raise TypeError("put @mock_justified below @pytest.fixture, next to the function.")
        # A subclass that adds a reason keeps those of its base, and leaves the base as it is.
        setattr(target, ATTRIBUTE, (*getattr(target, ATTRIBUTE, ()), stated))
        return target

    return justify


def checked(reason: object) -> str:
    """A reason, if it is one. Raises `ValueError`."""
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError('a mock is justified by a reason: @mock_justified("the payment provider has no sandbox").')
    return reason.strip()


def reasons(function: object) -> tuple[str, ...]:
    """What the function of a fixture says."""
    stated: tuple[str, ...] = getattr(function, ATTRIBUTE, ())
    return stated


def reasons_of(item: pytest.Item) -> list[str]:
    """What a test, its class and its module say. Raises `ValueError` for an empty one."""
    return list(dict.fromkeys(_stated(item)))


def _stated(item: pytest.Item) -> Iterator[str]:
    yield from reasons(getattr(item, "obj", None))
    yield from reasons(getattr(item, "cls", None))
    for mark in item.iter_markers(MARK):
        yield checked(mark.args[0] if mark.args else mark.kwargs.get("reason"))
