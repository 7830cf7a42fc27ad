"""Windows for many, in bounded memory."""

from __future__ import annotations

import sys

import pytest

from tidings.gateway.admission import Limiter, Rate

pytestmark = pytest.mark.core

TWO = Rate(2, 10.0)


def test_everybody_has_a_window_of_their_own() -> None:
    limiter = Limiter(TWO)
    assert [limiter.hit(key, 0.0) for key in ("a", "a", "a", "b")] == [True, True, False, True]
    assert [limiter.has_room(key, 1.0) for key in ("a", "b", "c")] == [False, True, True]
    assert (limiter.wait("a", 1.0), limiter.wait("c", 1.0)) == (9.0, 0.0)
    assert [limiter.remaining(key, 1.0) for key in ("a", "b", "c")] == [0, 1, 2]
    assert (limiter.reset("b", 1.0), limiter.reset("c", 1.0)) == (9.0, 0.0)


def test_who_is_idle_is_forgotten() -> None:
    """Without a timer: those who are new look after those who are gone."""
    limiter = Limiter(TWO)
    for number in range(1000):
        limiter.hit(f"early {number}", 0.0)
    assert len(limiter) == 1000
    for number in range(501):
        limiter.hit(f"late {number}", 10.5)
    assert len(limiter) == 501


def test_who_comes_again_is_not_taken_for_idle() -> None:
    limiter = Limiter(TWO)
    limiter.hit("regular", 0.0)
    limiter.hit("guest", 1.0)
    limiter.hit("regular", 9.0)
    limiter.hit("new", 12.0)
    assert limiter.remaining("regular", 12.0) == 1
    assert len(limiter) == 2


def test_a_million_addresses_fill_no_memory() -> None:
    """Those who were admitted longest ago begin anew, which is counted; whoever is new is held to the rate."""
    forgotten: list[None] = []
    limiter = Limiter(TWO, key_limit=1000, on_forgotten=lambda: forgotten.append(None))
    for number in range(10_000):
        assert limiter.hit(f"address {number}", number / 10_000)
    assert len(limiter) == 1000
    assert len(forgotten) == 9000
    assert limiter.hit("address 9999", 1.0)
    assert not limiter.hit("address 9999", 1.0)


def test_few_who_are_allowed_much_fill_no_memory_either() -> None:
    """What is bounded is also how much is remembered of all of them together."""
    rate, forgotten = Rate(100, 10.0), []
    limiter = Limiter(rate, stamp_limit=1000, on_forgotten=lambda: forgotten.append(None))
    for number in range(50):
        for _ in range(100):
            assert limiter.hit(f"address {number}", 1.0)
        assert not limiter.hit(f"address {number}", 1.0)
    assert len(limiter) == 10
    assert len(forgotten) == 40
    assert repr(limiter) == "<Limiter 100/10s: 10 known, 1000 remembered>"


def test_forgetting_who_is_idle_is_no_loss() -> None:
    forgotten: list[None] = []
    limiter = Limiter(TWO, key_limit=2, on_forgotten=lambda: forgotten.append(None))
    for number in range(10):
        limiter.hit(f"address {number}", number * 11.0)
    assert forgotten == []


def test_one_who_is_known_is_small() -> None:
    """A window and its place in the order: some three hundred bytes."""
    limiter = Limiter(TWO, key_limit=1000)
    for number in range(1000):
        limiter.hit(f"{number}", 0.0)
    window = next(iter(limiter._windows.values()))
    assert sys.getsizeof(window) + sys.getsizeof(window._stamps) < 250
