"""Music: people play tracks, some of which they skip, and are recommended others.

What is drawn from where: plays come independently, `rate` a second. Tracks, and users, are unequal: the first has twice
as many plays as the second, and so on (Zipf). A track lasts 3.5 minutes, a minute more or less, and always the same.
One play in four is skipped; half of those within the first 20 seconds (exponential), and always before the end. Every
play is told when it ends, whole or skipped: `ms_played` is how much was heard. After one play in five the same user is
recommended three tracks, 5 to 50 ms later; what was just played is not among them, and the scores fall.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from tidings.testing.load.draws import Draws, Weighted, positive
from tidings.testing.simulators.timeline import Planned, overlapping, plan

SKIPS = 0.25
HALF_OF_SKIPS_MS = 20_000
RECOMMENDS = 0.2
RECOMMENDED = 3
REASONS = ("similar_tracks", "similar_listeners", "new_release", "your_favourites")


class Play(msgspec.Struct, frozen=True, kw_only=True, tag="music_play"):
    """A user has heard a track, or a part of it: `ms_played` of `duration_ms`."""

    user: str
    track: str
    ms_played: int
    duration_ms: int
    skipped: bool


class Recommended(msgspec.Struct, frozen=True, kw_only=True):
    """One track, and how well it suits: from 0 to 1."""

    track: str
    score: float


class Recommendation(msgspec.Struct, frozen=True, kw_only=True, tag="recommendation"):
    """What a user may like, the best first."""

    user: str
    tracks: tuple[Recommended, ...]
    reason: str


MusicEvent = Play | Recommendation


class Music(msgspec.Struct, frozen=True, kw_only=True):
    """An endless sequence of `rate` plays a second on average in `channel`, and recommendations besides.

    A recommendation goes to the user's personal channel, such as `#user-7`, and there are a fifth as many.
    """

    seed: int
    rate: float = 20.0
    users: int = 1000
    tracks: int = 5000
    channel: str = "plays"

    def __post_init__(self) -> None:
        positive(rate=self.rate, users=self.users)
        if self.tracks <= RECOMMENDED:
            raise ValueError(f"tracks is {self.tracks}, and has to be above {RECOMMENDED}: so many are recommended.")

    def events(self) -> Iterator[Planned[MusicEvent]]:
        """Plays and recommendations, from the beginning each time."""
        return overlapping(self._evenings())

    def _evenings(self) -> Iterator[tuple[float, Iterator[Planned[MusicEvent]]]]:
        draws, at = Draws(self.seed, "music"), 0.0
        users = Weighted.by_rank([f"user-{number}" for number in range(1, self.users + 1)])
        tracks = Weighted.by_rank([f"track-{number}" for number in range(1, self.tracks + 1)])
        while True:
            at += draws.gap(self.rate)
            heard = play_of(draws, users.draw(draws), tracks.draw(draws), seed=self.seed)
            run: list[Planned[MusicEvent]] = [plan(at, self.channel, heard, by=heard.user)]
            if draws.chance(RECOMMENDS):
                follows = recommendation_after(draws, heard, tracks)
                run.append(plan(at + draws.between(0.005, 0.05), f"#{heard.user}", follows, by=heard.user))
            yield at, iter(run)


def play_of(draws: Draws, user: str, track: str, *, seed: int) -> Play:
    """Who plays what is given; how long is drawn."""
    duration_ms = length_ms(track, seed=seed)
    skipped = draws.chance(SKIPS)
    heard_ms = int(1000 * draws.gap(math.log(2.0) * 1000 / HALF_OF_SKIPS_MS)) if skipped else duration_ms
    return Play(
        user=user,
        track=track,
        ms_played=min(heard_ms, duration_ms - 1) if skipped else duration_ms,
        duration_ms=duration_ms,
        skipped=skipped,
    )


def length_ms(track: str, *, seed: int) -> int:
    """How long a track is: the same whenever it is played, and never less than half a minute."""
    return max(int(1000 * Draws(seed, "length", track).normal(210.0, 60.0)), 30_000)


def recommendation_after(draws: Draws, heard: Play, tracks: Weighted[str]) -> Recommendation:
    """For the same user, other tracks."""
    chosen: list[str] = []
    while len(chosen) < RECOMMENDED:
        track = tracks.draw(draws)
        if track not in (heard.track, *chosen):
            chosen.append(track)
    scores = sorted((round(draws.between(0.5, 1.0), 3) for _ in chosen), reverse=True)
    best = tuple(Recommended(track=track, score=score) for track, score in zip(chosen, scores, strict=True))
    return Recommendation(user=heard.user, tracks=best, reason=draws.one_of(REASONS))
