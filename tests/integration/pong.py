"""Pong as document 002 has it: rooms, players, observers, and a loop that tells them all where the ball is.

An application of these tests without Tidings inside, to be hosted in a process of its own. The rules of the game are
those of the toolkit's simulator; its paddles are moved by whoever plays.

uvicorn tests.integration.pong:app
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tidings.testing.load.draws import Draws
from tidings.testing.simulators.game import update
from tidings.testing.simulators.pong import FIELD, Direction, Pong

TICK = 1 / 30
STRIDE = 2.0
"""What a command moves a paddle by."""


class Match(Pong):
    """A game whose paddles stay where the players put them."""

    def move(self, player: int, direction: Direction) -> None:
        stride = STRIDE if direction is Direction.DOWN else -STRIDE
        self.paddles[player] = min(max(self.paddles[player] + stride, 0.0), FIELD)

    def _move(self, player: int) -> None:
        return None


class Room:
    """Who is in a room, and the game that they play."""

    def __init__(self, code: str, points_limit: int) -> None:
        self.points_limit = points_limit
        self.players: list[WebSocket] = []
        self.observers: list[WebSocket] = []
        self.ready: set[WebSocket] = set()
        self.match = Match(Draws(1, "pong", code), tick=TICK, blunder=0.0)
        self.loop: asyncio.Task[None] | None = None

    async def tell_all(self, message: Mapping[str, Any]) -> None:
        text = msgspec.json.encode(message).decode()
        for socket in [*self.players, *self.observers]:
            try:
                await socket.send_text(text)
            except (RuntimeError, WebSocketDisconnect):  # It leaves by itself.
                continue

    async def tell_status(self) -> None:
        status = "waiting_for_opponent" if len(self.players) < 2 else "waiting_for_ready"
        await self.tell_all({"type": "status_change", "status": "playing" if self.loop else status})

    async def play(self) -> None:
        while max(self.match.score) < self.points_limit:
            await asyncio.sleep(TICK)
            for _ in self.match.step():
                pass
            await self.tell_all(msgspec.to_builtins(update(self.match)))
        first, second = self.match.score
        winner = 1 if first > second else 2
        await self.tell_all({"type": "game_over", "winner": winner, "p1_score": first, "p2_score": second})

    def leave(self, socket: WebSocket) -> bool:
        """Whether nobody is left."""
        for there in (self.players, self.observers):
            if socket in there:
                there.remove(socket)
        self.ready.discard(socket)
        if self.players or self.observers:
            return False
        if self.loop is not None:
            self.loop.cancel()
        return True


rooms: dict[str, Room] = {}


async def join(room: Room, socket: WebSocket, message: Mapping[str, Any]) -> None:
    if message.get("role") == "player" and len(room.players) < 2:
        room.players.append(socket)
        await socket.send_json({"type": "joined_as_player", "player_num": len(room.players)})
    else:
        room.observers.append(socket)
        await socket.send_json({"type": "joined_as_observer"})
    await room.tell_status()


async def ready(room: Room, socket: WebSocket) -> None:
    room.ready |= {socket} & {*room.players}
    if len(room.ready) == 2 and room.loop is None:
        room.loop = asyncio.create_task(room.play())
        await room.tell_status()


async def obey(code: str, socket: WebSocket, message: Mapping[str, Any]) -> None:
    """Do what a client asks for. Raises `KeyError` and `ValueError` for what makes no sense."""
    match message["type"]:
        case "create_room":
            rooms.setdefault(code, Room(code, int(message["points_limit"])))
            await socket.send_json({"type": "room_created"})
        case "join_game":
            await join(rooms[code], socket, message)
        case "player_ready":
            await ready(rooms[code], socket)
        case "move_paddle":
            room = rooms[code]
            if socket in room.players:
                room.match.move(room.players.index(socket), Direction(message["direction"]))
        case other:
            raise ValueError(other)


async def game(socket: WebSocket) -> None:
    code = socket.path_params["code"]
    await socket.accept()
    try:
        async for text in socket.iter_text():
            try:
                await obey(code, socket, msgspec.json.decode(text, type=dict[str, Any]))
            except (msgspec.DecodeError, KeyError, ValueError):
                await socket.send_json({"type": "error", "message": "that is no message of this game"})
    finally:
        if code in rooms and rooms[code].leave(socket):
            del rooms[code]


app = Starlette(routes=[WebSocketRoute("/ws/game/{code}/", game)])
