"""What a node still says about channels when it stops, beside another node that answers as the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
import pytest
from tests.gateway.town import Town
from tests.gateway.wire import PATIENCE

from tidings import events
from tidings.channels.namespaces import Namespaces
from tidings.channels.options import ChannelOptions
from tidings.clock import SystemClock
from tidings.gateway.neighbours import Answering
from tidings.gateway.webhooks.endpoint import Endpoint
from tidings.gateway.webhooks.notices import Notices
from tidings.gateway.webhooks.occupancy import Claims
from tidings.gateway.webhooks.states import QUESTION, SAID, States
from tidings.gateway.webhooks.terms import Event, Terms
from tidings.hooks import Hooks

pytestmark = pytest.mark.shell

NOBODY = Terms(Event.STATE, "http://127.0.0.1:9/", flush_timeout=0.0)
OCCUPIED = events.Subscribed("c", "ada", "room", None)


class Scene(NamedTuple):
    states: States
    notices: Notices
    others: dict[str, Answering]
    """How the other node answers."""


def says(opinion: str, asked: list[Claims]) -> Answering:
    def answer(question: bytes) -> bytes:
        asked.append(msgspec.msgpack.decode(question, type=Claims))
        return msgspec.msgpack.encode([opinion] * len(asked[-1].claims))

    return answer


@pytest.fixture
def notices() -> Notices:
    """Made outside of the loop, since an HTTP client reads files."""
    clock, hooks = SystemClock(), Hooks()
    return Notices({Event.STATE: Endpoint(NOBODY, hooks, clock)}, hooks, clock)


@pytest.fixture
async def scene(request: pytest.FixtureRequest, notices: Notices) -> AsyncIterator[Scene]:
    """With the debounce that the test wants."""
    async with Town() as town:
        clock, hooks = SystemClock(), Hooks()
        node, namespaces = town.here.node, Namespaces(ChannelOptions(state_proxy=True), {})
        states = States(node.id, node.neighbours, namespaces, notices, hooks, clock, debounce=request.param)
        yield Scene(states, notices, town.there.node.neighbours.answers)
        await notices.stop()


@pytest.mark.parametrize("scene", [60.0], indirect=True)
async def test_what_another_node_is_about_to_say(scene: Scene) -> None:
    """It is asked once, and left to say it, however long that takes."""
    asked: list[Claims] = []
    scene.others[QUESTION] = says("mine", asked)
    scene.states(OCCUPIED)
    async with asyncio.timeout(PATIENCE):
        await scene.states.stop()
    assert (len(asked), len(scene.notices)) == (1, 0)


@pytest.mark.parametrize("scene", [60.0], indirect=True)
@pytest.mark.parametrize("answer", [b"", b"\xc1", b"\x81"])
async def test_an_answer_that_nobody_can_read(scene: Scene, answer: bytes) -> None:
    """It counts as none, and the node stops all the same."""
    scene.others[QUESTION] = lambda asked: answer
    scene.states(OCCUPIED)
    async with asyncio.timeout(PATIENCE):
        await scene.states.stop()
    assert len(scene.notices) == 1


@pytest.mark.parametrize("scene", [0.0], indirect=True)
async def test_a_stop_while_the_others_are_told(scene: Scene) -> None:
    """What is settled is told the endpoint, too."""
    told = asyncio.Event()

    def hear(said: bytes) -> bytes:
        told.set()
        return b""

    scene.others[QUESTION] = says("free", [])
    scene.others[SAID] = hear
    scene.states(OCCUPIED)
    async with asyncio.timeout(PATIENCE):
        await told.wait()
        await scene.states.stop()
    assert len(scene.notices) == 1
