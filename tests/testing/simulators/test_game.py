"""Pong: who says what in which order, and a game that keeps its rules."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from tidings.testing.simulators import Game
from tidings.testing.simulators.game import GameOver, GameUpdate, MovePaddle
from tidings.testing.simulators.pong import PADDLE_SPEED, mirrored

pytestmark = pytest.mark.core

GAME = Game(seed=1)
EVENTS = list(GAME.events())
UPDATES = [event.data for event in EVENTS if isinstance(event.data, GameUpdate)]


def told(events: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(event.by, msgspec.to_builtins(event.data)) for event in events]


def test_the_messages_before_the_game() -> None:
    """As the document has them, word by word and in its order."""
    assert told(EVENTS)[:16] == [
        ("player-1", {"type": "create_room", "points_limit": 5}),
        ("server", {"type": "room_created"}),
        ("player-1", {"type": "join_game", "role": "player"}),
        ("server", {"type": "joined_as_player", "player_num": 1}),
        ("server", {"type": "status_change", "status": "waiting_for_opponent"}),
        ("player-2", {"type": "join_game", "role": "player"}),
        ("server", {"type": "joined_as_player", "player_num": 2}),
        ("server", {"type": "status_change", "status": "waiting_for_ready"}),
        ("observer-1", {"type": "join_game", "role": "observer"}),
        ("server", {"type": "joined_as_observer"}),
        ("observer-2", {"type": "join_game", "role": "observer"}),
        ("server", {"type": "joined_as_observer"}),
        ("player-1", {"type": "player_ready"}),
        ("player-2", {"type": "player_ready"}),
        ("server", {"type": "status_change", "status": "playing"}),
        ("player-2", {"type": "move_paddle", "direction": "up"}),
    ]


def test_only_players_move() -> None:
    movers = Counter(event.by for event in EVENTS if isinstance(event.data, MovePaddle))
    assert set(movers) == {"player-1", "player-2"}
    assert {event.channel for event in EVENTS} == {"REAL1"}


def test_updates_come_evenly() -> None:
    times = [event.at for event in EVENTS if isinstance(event.data, GameUpdate)]
    assert all(later - earlier == pytest.approx(1 / 30, abs=1e-5) for earlier, later in pairwise(times))


def test_everything_stays_on_the_field() -> None:
    for update in UPDATES:
        places = (update.p1_y, update.p2_y, update.ball_x, update.ball_y)
        assert all(0.0 <= place <= 100.0 for place in places)


def test_paddles_move_when_they_are_moved() -> None:
    """By one stride for each command, and not otherwise. At first they are in the middle."""
    place, stride = 50.0, PADDLE_SPEED / 30
    for event in EVENTS:
        if isinstance(event.data, MovePaddle) and event.by == "player-1":
            place += stride if event.data.direction.value == "down" else -stride
        if isinstance(event.data, GameUpdate):
            assert event.data.p1_y == pytest.approx(place, abs=0.01)


def test_points_are_counted_one_by_one() -> None:
    scores = [update.p1_score + update.p2_score for update in UPDATES]
    assert scores[0] == 0
    assert {later - earlier for earlier, later in pairwise(scores)} == {0, 1}


@pytest.mark.parametrize("seed", range(20))
def test_a_game_has_one_winner_and_ends(seed: int) -> None:
    """With `points_limit` points, in less than five minutes, and says nothing afterwards."""
    events = list(Game(seed=seed, points_limit=3).events())
    over = events[-1].data
    assert isinstance(over, GameOver)
    assert sum(isinstance(event.data, GameOver) for event in events) == 1
    points = (over.p1_score, over.p2_score)
    assert max(points) == 3 > min(points)
    assert points[over.winner - 1] == 3
    assert events[-1].at < 300.0


def test_both_sides_win_sometimes() -> None:
    """The sides are equal, and so are the rallies not decided by the first serve."""
    winners = Counter(list(Game(seed=seed, points_limit=1).events())[-1].data.winner for seed in range(100))  # type: ignore[union-attr]
    assert min(winners.values()) > 30


def test_what_clients_say_and_what_the_server_says() -> None:
    """Together that is everything."""
    commands, updates = list(GAME.commands()), list(GAME.updates())
    assert {event.by for event in commands} == {"player-1", "player-2", "observer-1", "observer-2"}
    assert {event.by for event in updates} == {"server"}
    assert len(commands) + len(updates) == len(EVENTS)


def test_each_room_plays_another_game() -> None:
    assert told(Game(seed=1, room="REAL2").events()) != told(EVENTS)


@pytest.mark.parametrize(("y", "place"), [(50, 50), (0, 0), (100, 100), (-20, 20), (130, 70), (230, 30), (-130, 70)])
def test_walls(y: float, place: float) -> None:
    assert mirrored(y) == pytest.approx(place)
