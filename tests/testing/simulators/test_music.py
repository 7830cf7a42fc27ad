"""Music: plays that are whole or skipped, and recommendations that follow them."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from statistics import fmean, median

import pytest

from tidings.testing.simulators import Music, Play, Recommendation

pytestmark = pytest.mark.core

EVENTS = list(islice(Music(seed=9).events(), 12_000))
PLAYS = [event.data for event in EVENTS if isinstance(event.data, Play)]


def test_what_is_skipped_was_not_heard_to_the_end() -> None:
    assert all((play.ms_played < play.duration_ms) == play.skipped for play in PLAYS)
    assert all(play.ms_played >= 0 for play in PLAYS)


def test_skips() -> None:
    """One play in four, half of them within 20 seconds."""
    heard = [play.ms_played for play in PLAYS if play.skipped]
    assert len(heard) / len(PLAYS) == pytest.approx(0.25, rel=0.05)
    assert median(heard) == pytest.approx(20_000, rel=0.1)


def test_a_track_is_always_as_long() -> None:
    lengths: dict[str, set[int]] = {}
    for play in PLAYS:
        lengths.setdefault(play.track, set()).add(play.duration_ms)
    assert all(len(found) == 1 for found in lengths.values())
    assert fmean(min(found) for found in lengths.values()) == pytest.approx(210_000, rel=0.05)
    assert min(play.duration_ms for play in PLAYS) >= 30_000


def test_fame() -> None:
    """Of tracks and of listeners: the first twice as often as the second."""
    for found in (Counter(play.track for play in PLAYS), Counter(play.user for play in PLAYS)):
        (_, most), (_, next_) = found.most_common(2)
        assert most / next_ == pytest.approx(2.0, rel=0.2)


def test_recommendations_follow_plays() -> None:
    """After one in five, within 5 to 50 ms, in the personal channel of who has played, and other tracks."""
    last: dict[str, tuple[float, Play]] = {}
    number = 0
    for event in EVENTS:
        if isinstance(event.data, Play):
            assert (event.channel, event.by) == ("plays", event.data.user)
            last[event.by] = (event.at, event.data)
            continue
        number += 1
        assert isinstance(event.data, Recommendation)
        at, _ = last[event.by]
        assert event.channel == f"#{event.data.user}" == f"#{event.by}"
        assert event.at - at <= 0.0501
    assert number / len(PLAYS) == pytest.approx(0.2, rel=0.06)


def test_what_is_recommended() -> None:
    """Three different tracks, the best first."""
    for event in EVENTS:
        if isinstance(event.data, Recommendation):
            scores = [best.score for best in event.data.tracks]
            assert len({best.track for best in event.data.tracks}) == 3
            assert scores == sorted(scores, reverse=True)
            assert scores[-1] >= 0.5 and scores[0] <= 1.0


def test_too_few_tracks_to_recommend() -> None:
    with pytest.raises(ValueError, match="tracks is 3, and has to be above 3"):
        Music(seed=1, tracks=3)
    assert len(list(islice(Music(seed=1, users=1, tracks=4).events(), 100))) == 100
