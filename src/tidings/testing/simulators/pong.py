"""The ball and the paddles: the rules of Pong on a field of 100 by 100, one tick after another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import Enum

from tidings.testing.load.draws import Draws

FIELD = 100.0
MIDDLE = FIELD / 2
REACH = 10.0
"""From the middle of a paddle to its end."""
BALL_SPEED = 60.0
PADDLE_SPEED = 60.0
"""Of the field, in a second."""
STEEPEST = math.radians(30.0)


class Direction(Enum):
    """Where a paddle goes; up is towards 0."""

    UP = "up"
    DOWN = "down"


class Pong:
    """A game in progress: `ball` is its place, `paddles` where the middles of both are, `score` the points of both."""

    def __init__(self, draws: Draws, *, tick: float, blunder: float) -> None:
        self._draws = draws
        self._tick = tick
        self._blunder = blunder
        self.paddles = [MIDDLE, MIDDLE]
        self.score = [0, 0]
        self.ball = (MIDDLE, MIDDLE)
        self._speed = (0.0, 0.0)
        self._aim = [MIDDLE, MIDDLE]
        """Where each player believes that the ball will come."""
        self._serve()

    def step(self) -> Iterator[tuple[int, Direction]]:
        """Let a tick pass. Yields the players, 1 or 2, who moved their paddle, and where to."""
        for player in (0, 1):
            if (direction := self._move(player)) is not None:
                yield player + 1, direction
        x, y = (place + self._tick * speed for place, speed in zip(self.ball, self._speed, strict=True))
        self.ball = (x, self._bounce(y))
        if not 0.0 < x < FIELD:
            self._meet(0 if x <= 0.0 else 1)

    def _move(self, player: int) -> Direction | None:
        stride, way = PADDLE_SPEED * self._tick, self._aim[player] - self.paddles[player]
        if abs(way) < stride:
            return None
        self.paddles[player] += math.copysign(stride, way)
        return Direction.DOWN if way > 0.0 else Direction.UP

    def _bounce(self, y: float) -> float:
        """Off the walls above and below."""
        if 0.0 <= y <= FIELD:
            return y
        across, along = self._speed
        self._speed = (across, -along)
        return mirrored(y)

    def _meet(self, player: int) -> None:
        """The ball is at a player's side: struck, or a point for the other."""
        y = self.ball[1]
        off = (y - self.paddles[player]) / REACH
        if abs(off) > 1.0:
            self.score[1 - player] += 1
            self._serve()
        else:
            self.ball = (0.0 if player == 0 else FIELD, y)
            self._send(away_from=player, angle=off * STEEPEST)

    def _serve(self) -> None:
        self.ball = (MIDDLE, MIDDLE)
        self._send(away_from=self._draws.one_of((0, 1)), angle=self._draws.between(-STEEPEST, STEEPEST))

    def _send(self, *, away_from: int, angle: float) -> None:
        """Let the ball fly. Who has to return it looks where it will come; the other goes back to the middle."""
        forward = 1.0 if away_from == 0 else -1.0
        self._speed = (forward * BALL_SPEED * math.cos(angle), BALL_SPEED * math.sin(angle))
        receiver = 1 - away_from
        distance = abs((FIELD if receiver == 1 else 0.0) - self.ball[0])
        arrives = mirrored(self.ball[1] + distance * math.tan(angle))
        self._aim[receiver] = self._draws.normal(arrives, self._blunder)
        self._aim[away_from] = MIDDLE
        for player in (0, 1):
            self._aim[player] = min(max(self._aim[player], REACH), FIELD - REACH)


def mirrored(y: float) -> float:
    """Where a straight line that leaves the field at a wall is after it has been struck off the walls."""
    y %= 2 * FIELD
    return y if y <= FIELD else 2 * FIELD - y
