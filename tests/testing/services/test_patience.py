"""Asking until it is so."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tidings.testing.services.patience import ask_until

pytestmark = pytest.mark.core


def answers(*answers: bool) -> Iterator[bool]:
    yield from answers


def test_it_asks_until_it_is_so():
    given = answers(False, False, True, False)
    assert ask_until(lambda: next(given), 5.0)
    assert list(given) == [False]


def test_it_asks_once_without_patience_and_then_gives_up():
    asked: list[float] = []
    assert not ask_until(lambda: bool(asked.append(time.monotonic())), 0.0)
    assert len(asked) in (1, 2)
    assert ask_until(lambda: True, 0.0)
