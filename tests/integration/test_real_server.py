"""Pong against a real server: the eight scenarios of the requirement, by its names, and its two of load.

See docs/scenarios.md. The server is `tests/integration/pong.py` in a process of its own; the clients are the toolkit's,
each with a socket of its own.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from tests.world.command import ROOT

from tidings.testing import AsgiApp, LatencyRecorder, ManyClients, PlainClient
from tidings.testing.clients import PlainScript
from tidings.testing.plugin.measured import Measured

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.integration_real_server]

PATIENCE = 20.0
OBSERVERS = 100
GAMES = 10

Enter = Callable[[str], AbstractAsyncContextManager[PlainClient]]


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    with AsgiApp("tests.integration.pong:app", folder=ROOT) as app:
        yield app.websocket("")


@pytest.fixture
def room(server_url: str) -> str:
    """The address of a room that nobody else has."""
    return f"{server_url}/ws/game/REAL{secrets.token_hex(4)}/"


def says(kind: str) -> Callable[[Any], bool]:
    def fits(message: Any) -> bool:
        return bool(message["type"] == kind)

    return fits


@asynccontextmanager
async def player(room: str, number: int) -> AsyncIterator[PlainClient]:
    """A player who has joined; the first one creates the room."""
    async with PlainClient(room, name=f"player {number}", patience=PATIENCE) as client:
        if number == 1:
            await client.send({"type": "create_room", "points_limit": 5})
            assert await client.receive() == {"type": "room_created"}
        await client.send({"type": "join_game", "role": "player"})
        assert await client.receive() == {"type": "joined_as_player", "player_num": number}
        yield client


@asynccontextmanager
async def playing(room: str) -> AsyncIterator[tuple[PlainClient, PlainClient]]:
    """Two players who are ready, when the game has begun."""
    async with player(room, 1) as first, player(room, 2) as second:
        for one in (first, second):
            await one.send({"type": "player_ready"})
        for one in (first, second):
            await one.receive_until(lambda message: message.get("status") == "playing")
        yield first, second


class TestRealServerConnection:
    async def test_single_player_connection(self, room: str) -> None:
        """A player creates a room and joins it, and waits for another one."""
        async with player(room, 1) as first:
            assert await first.receive() == {"type": "status_change", "status": "waiting_for_opponent"}

    async def test_two_players_can_connect(self, room: str) -> None:
        """Both hear that the room waits until they are ready."""
        async with player(room, 1) as first, player(room, 2) as second:
            statuses = [(await first.receive())["status"] for _ in range(2)]
            assert statuses == ["waiting_for_opponent", "waiting_for_ready"]
            assert await second.receive() == {"type": "status_change", "status": "waiting_for_ready"}

    async def test_game_starts_when_both_ready(self, room: str) -> None:
        """And not before."""
        async with player(room, 1) as first, player(room, 2) as second:
            await first.collect(2)
            await first.send({"type": "player_ready"})
            await first.expect_nothing()
            await second.send({"type": "player_ready"})
            for one in (first, second):
                await one.receive_until(lambda message: message.get("status") == "playing")
                assert (await one.receive())["type"] == "game_update"

    async def test_observer_can_join(self, room: str) -> None:
        """An observer sees the game, and moves nothing."""
        async with playing(room) as (first, _), PlainClient(room, name="observer", patience=PATIENCE) as observer:
            await observer.send({"type": "join_game", "role": "observer"})
            assert await observer.receive() == {"type": "joined_as_observer"}
            assert await observer.receive() == {"type": "status_change", "status": "playing"}
            await observer.send({"type": "move_paddle", "direction": "up"})
            seen = await observer.collect(10)
            assert [message["type"] for message in seen] == ["game_update"] * 10
            assert {(message["p1_y"], message["p2_y"]) for message in seen} == {(50.0, 50.0)}
            assert seen[-1] == await first.receive_until(lambda message: message == seen[-1])

    @pytest.mark.parametrize("text", ["{not json", "[]", "{}", '{"type":"fly"}', '{"type":"join_game"}'])
    async def test_invalid_json_handled(self, room: str, text: str) -> None:
        """What makes no sense is answered, and the connection goes on."""
        async with PlainClient(room, patience=PATIENCE) as client:
            await client.send_text(text)
            assert (await client.receive())["type"] == "error"
            await client.send({"type": "create_room", "points_limit": 5})
            assert await client.receive() == {"type": "room_created"}

    async def test_concurrent_rooms(self, server_url: str, room: str) -> None:
        """What is played in one room is not heard in another, whose game goes on when the first is left."""
        async with playing(f"{room.rstrip('/')}B/") as (other, _):
            async with playing(room) as (first, _):
                await first.send({"type": "move_paddle", "direction": "down"})
                await first.receive_until(lambda message: message["p1_y"] == 52.0)
            (*_, last) = await other.collect(30)
            assert (last["type"], last["p1_y"]) == ("game_update", 50.0)

    async def test_paddle_movement(self, room: str) -> None:
        """Each player moves the own paddle, and both see it."""
        async with playing(room) as (first, second):
            for _ in range(5):
                await first.send({"type": "move_paddle", "direction": "up"})
                await second.send({"type": "move_paddle", "direction": "down"})
            for one in (first, second):
                await one.receive_until(lambda message: (message.get("p1_y"), message.get("p2_y")) == (40.0, 60.0))

    async def test_ball_movement(self, room: str) -> None:
        """The ball begins in the middle, moves with each update, and stays on the field."""
        async with playing(room) as (first, _):
            updates = await first.collect(30)
            places = [(message["ball_x"], message["ball_y"]) for message in updates]
            assert len({x for x, _ in places}) > 20
            assert all(0.0 <= place <= 100.0 for both in places for place in both)
            assert abs(places[0][0] - 50.0) < 10.0


class TestLoad:
    @pytest.mark.performance
    async def test_100_concurrent_observers(self, room: str, measured: Measured) -> None:
        """All see the same updates in the same order, at the same time but for little."""
        arrivals: dict[str, list[float]] = {}
        heard: list[list[str]] = [[] for _ in range(OBSERVERS)]

        def note(number: int, frame: Any) -> None:
            if '"game_update"' in frame.content:
                heard[number].append(frame.content)
                arrivals.setdefault(frame.content, []).append(frame.at)

        joining = PlainScript([{"type": "join_game", "role": "observer"}], answers=2)
        async with playing(room), ManyClients(OBSERVERS, room, script=joining, on_frame=note) as crowd:
            await crowd.wait_all(60, timeout=PATIENCE)
        seen = list(arrivals)
        for own in heard:
            begin = seen.index(own[0])
            assert own == seen[begin : begin + len(own)]
        recorder = LatencyRecorder()
        for times in arrivals.values():
            recorder.record(max(times) - min(times))
        measured.percentile(
            "first to last observer", **{f"p{rank}": 1000 * recorder.percentile(float(rank)) for rank in (50, 95)}
        )

    @pytest.mark.load
    async def test_10_concurrent_games(self, room: str) -> None:
        """Each pair moves its paddles to a place of its own, and sees no other."""
        async with AsyncExitStack() as stack:
            games = await asyncio.gather(
                *(stack.enter_async_context(playing(f"{room.rstrip('/')}{number}/")) for number in range(GAMES))
            )
            for number, (first, _) in enumerate(games):
                for _ in range(number):
                    await first.send({"type": "move_paddle", "direction": "down"})
            for number, (_, second) in enumerate(games):
                place = 50.0 + 2.0 * number
                await second.receive_until(lambda message, place=place: message.get("p1_y") == place)
                assert {message["p1_y"] for message in await second.collect(5)} == {place}
