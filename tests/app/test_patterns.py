"""Patterns of channel names."""

from __future__ import annotations

import pytest

from tidings.app.patterns import Pattern

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("pattern", "channel", "values"),
    [
        ("news", "news", {}),
        ("news", "news:today", None),
        ("news", "old news", None),
        ("orders:{order_id}", "orders:42", {"order_id": "42"}),
        ("orders:{order_id}", "orders:", None),
        ("orders:{order_id}", "orders:42:lines", None),
        ("orders:{order_id}", "$orders:42", None),
        ("chat:{room}:{thread}", "chat:lobby:7", {"room": "lobby", "thread": "7"}),
        ("{namespace}:all", "news:all", {"namespace": "news"}),
        ("game.{number}", "game.7", {"number": "7"}),
        ("game.{number}", "game-7", None),
        ("game.{number}", "game.7\n", {"number": "7\n"}),
        ("a{x}b", "ab", None),
        ("price(usd)?", "price(usd)?", {}),
    ],
)
def test_a_channel_fits_a_pattern(pattern: str, channel: str, values: dict[str, str] | None) -> None:
    """A name in braces is any text without a colon, at least one character; everything else stands for itself."""
    assert Pattern(pattern).match(channel) == values


def test_the_parameters_are_known_in_order() -> None:
    assert Pattern("chat:{room}:{thread}").parameters == ("room", "thread")


@pytest.mark.parametrize("pattern", ["{a}:{a}", "orders:{order-id}", "orders:{}", "orders:{order_id", "{{a}}"])
def test_a_pattern_that_cannot_be_meant_is_refused(pattern: str) -> None:
    """The message repeats it, because it is raised where a module is imported."""
    with pytest.raises(ValueError, match="the pattern") as raised:
        Pattern(pattern)
    assert pattern in str(raised.value)


def test_a_pattern_shows_what_it_is() -> None:
    assert repr(Pattern("orders:{order_id}")) == "Pattern('orders:{order_id}')"
