"""What a run is held to."""

from __future__ import annotations

import math

import pytest

from tidings.testing.delivery import ChannelRules, Rules

pytestmark = pytest.mark.core

KEPT, REPEATED, OTHER = ChannelRules(history=True), ChannelRules(may_repeat=True), ChannelRules()


def test_a_name_comes_before_patterns_and_these_in_their_order() -> None:
    rules = Rules(channels={"chat:*": REPEATED, "*": OTHER, "chat:lobby": KEPT})
    assert [rules.of(each) for each in ("chat:lobby", "chat:board", "news")] == [KEPT, REPEATED, OTHER]


def test_a_channel_without_rules_is_named() -> None:
    with pytest.raises(ValueError, match=r"nothing about the channel 'news', .* or add the pattern '\*' to \['chat'\]"):
        Rules(channels={"chat": OTHER}).of("news")


def test_who_may_listen() -> None:
    assert OTHER.allows("ann", "news")
    assert ChannelRules(allowed={"ann"}).allows("ann", "news")
    assert not ChannelRules(allowed={"ann"}).allows("bob", "news")
    personal = ChannelRules(allowed=lambda user, channel: channel == f"#{user}")
    assert personal.allows("42", "#42")
    assert not personal.allows("42", "#43")


def test_who_may_listen_is_not_a_text() -> None:
    """In which every part of it would be found, and "" in any."""
    with pytest.raises(ValueError, match=r"a set of users, such as \{'ann'\}"):
        ChannelRules(allowed="ann")  # type: ignore[arg-type]


def test_rules_are_rules() -> None:
    with pytest.raises(ValueError, match=r"the rules of 'news' are a ChannelRules\(…\), and not True"):
        Rules(channels={"news": True})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"expected_faults are names, such as \['cut'\]"):
        Rules(channels={}, expected_faults="cut")


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_times_are_finite_and_not_negative(value: float) -> None:
    """One without an end would excuse everything."""
    with pytest.raises(ValueError, match="lease is a time in seconds from 0 on"):
        Rules(channels={}, lease=value)
