"""A session of Pong: who says what to the server, and what the server tells everybody.

    create_room → room_created → join_game → joined_as_player … status_change → player_ready → game_update … game_over

The first player creates the room and joins it, the second and the observers come, both players say that they are ready,
and the server moves the ball `rate` times a second until one of them has `points_limit` points. The game is really
played: the ball is struck off the walls and paddles, and a player whose paddle comes too late has lost the point.

What is drawn from where: people take half a second to two to join, and to be ready. A serve goes to either side at
random, at up to 30 degrees. A player looks where the ball will be, misjudges that by `blunder` (of a field 100 high,
normal), and moves the paddle at most once in a tick.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import msgspec

from tidings.testing.load.draws import Draws, positive
from tidings.testing.simulators.pong import FIELD, Direction, Pong
from tidings.testing.simulators.timeline import Planned, plan

SERVER = "server"


class Role(Enum):
    """As what somebody is in a room."""

    PLAYER = "player"
    OBSERVER = "observer"


class RoomStatus(Enum):
    """What a room waits for."""

    WAITING_FOR_OPPONENT = "waiting_for_opponent"
    WAITING_FOR_READY = "waiting_for_ready"
    PLAYING = "playing"


# What clients say.


class CreateRoom(msgspec.Struct, frozen=True, kw_only=True, tag="create_room"):
    points_limit: int


class JoinGame(msgspec.Struct, frozen=True, kw_only=True, tag="join_game"):
    role: Role


class PlayerReady(msgspec.Struct, frozen=True, kw_only=True, tag="player_ready"):
    pass


class MovePaddle(msgspec.Struct, frozen=True, kw_only=True, tag="move_paddle"):
    direction: Direction


# What the server says.


class RoomCreated(msgspec.Struct, frozen=True, kw_only=True, tag="room_created"):
    pass


class JoinedAsPlayer(msgspec.Struct, frozen=True, kw_only=True, tag="joined_as_player"):
    player_num: int


class JoinedAsObserver(msgspec.Struct, frozen=True, kw_only=True, tag="joined_as_observer"):
    pass


class StatusChange(msgspec.Struct, frozen=True, kw_only=True, tag="status_change"):
    status: RoomStatus


class GameUpdate(msgspec.Struct, frozen=True, kw_only=True, tag="game_update"):
    """Where everything is, on a field of 100 by 100 with 0 at the top and left; a paddle's place is its middle."""

    p1_y: float
    p2_y: float
    ball_x: float
    ball_y: float
    p1_score: int
    p2_score: int


class GameOver(msgspec.Struct, frozen=True, kw_only=True, tag="game_over"):
    winner: int
    p1_score: int
    p2_score: int


Message = (
    CreateRoom
    | JoinGame
    | PlayerReady
    | MovePaddle
    | RoomCreated
    | JoinedAsPlayer
    | JoinedAsObserver
    | StatusChange
    | GameUpdate
    | GameOver
)


class Game(msgspec.Struct, frozen=True, kw_only=True):
    """One session, which ends with `game_over`. Who speaks is in `by`: `player-1`, `observer-2`, or `server`.

    The channel is `room`; each room plays another game. With `blunder` 0 nobody ever misses, and the game has no end.
    """

    seed: int
    room: str = "REAL1"
    points_limit: int = 5
    observers: int = 2
    rate: float = 30.0
    blunder: float = 8.0

    def __post_init__(self) -> None:
        positive(points_limit=self.points_limit, rate=self.rate)

    def events(self) -> Iterator[Planned[Message]]:
        """Everything that is said, from the beginning each time."""
        draws = Draws(self.seed, "game", self.room)
        begins = 0.0
        for by, message, delay in gathering(draws, self):
            begins += delay
            yield plan(begins, self.room, message, by=by)
        yield from self._match(draws, begins)

    def commands(self) -> Iterator[Planned[Message]]:
        """What clients say: for a test of the real server."""
        return (event for event in self.events() if event.by != SERVER)

    def updates(self) -> Iterator[Planned[Message]]:
        """What the server says: for a test of whoever carries it to the clients."""
        return (event for event in self.events() if event.by == SERVER)

    def _match(self, draws: Draws, begins: float) -> Iterator[Planned[Message]]:
        pong, tick = Pong(draws, tick=1.0 / self.rate, blunder=self.blunder), 0
        while max(pong.score) < self.points_limit:
            tick += 1
            at = begins + tick / self.rate
            for player, direction in pong.step():
                yield plan(at, self.room, MovePaddle(direction=direction), by=f"player-{player}")
            yield plan(at, self.room, update(pong), by=SERVER)
        first, second = pong.score
        over = GameOver(winner=1 if first > second else 2, p1_score=first, p2_score=second)
        yield plan(at, self.room, over, by=SERVER)


def gathering(draws: Draws, game: Game) -> Iterator[tuple[str, Message, float]]:
    """Who says what before the game, and how long after what was said before."""
    answer = 0.001
    yield "player-1", CreateRoom(points_limit=game.points_limit), 0.0
    yield SERVER, RoomCreated(), answer
    for number in (1, 2):
        yield f"player-{number}", JoinGame(role=Role.PLAYER), draws.between(0.5, 2.0)
        yield SERVER, JoinedAsPlayer(player_num=number), answer
        waiting = RoomStatus.WAITING_FOR_OPPONENT if number == 1 else RoomStatus.WAITING_FOR_READY
        yield SERVER, StatusChange(status=waiting), 0.0
    for number in range(1, game.observers + 1):
        yield f"observer-{number}", JoinGame(role=Role.OBSERVER), draws.between(0.5, 2.0)
        yield SERVER, JoinedAsObserver(), answer
    for number in (1, 2):
        yield f"player-{number}", PlayerReady(), draws.between(0.5, 2.0)
    yield SERVER, StatusChange(status=RoomStatus.PLAYING), answer


def update(pong: Pong) -> GameUpdate:
    (p1_y, p2_y), (ball_x, ball_y), (p1_score, p2_score) = pong.paddles, pong.ball, pong.score
    places = {"p1_y": p1_y, "p2_y": p2_y, "ball_x": ball_x, "ball_y": ball_y}
    rounded = {name: round(min(max(place, 0.0), FIELD), 2) for name, place in places.items()}
    return GameUpdate(**rounded, p1_score=p1_score, p2_score=p2_score)
