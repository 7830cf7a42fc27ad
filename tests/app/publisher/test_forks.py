"""Forks: a publisher that was used goes on in both processes, and neither disturbs the other."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from tests.app.publisher.conftest import PATIENCE, Way

from tidings.testing import Client

pytestmark = [pytest.mark.world, pytest.mark.L3]

BOTH = {"parent": 5, "child": 5, "parent again": 5}
SOON = {"soon": 300}
THREADS = {f"thread {number}": 40 for number in range(8)} | {f"child {number}": 5 for number in range(4)}

EXPECTED = {
    "plainly": BOTH | SOON,
    "under_load": THREADS,
    "silently": BOTH,
    "with_locks_held": BOTH,
    "fork": BOTH,
    "spawn": BOTH,
}


async def test_nothing_is_imported_after_a_publisher_is_made(way: Way, unique: str) -> None:
    """A fork while another thread imports leaves the child waiting for a lock that nobody holds."""
    assert way.run("importing.py", f"kept:{unique}") == []


@pytest.mark.parametrize("how", EXPECTED)
async def test_everybody_publishes_once_and_in_order(way: Way, unique: str, how: str) -> None:
    """Also what the parent had under way at the fork, which the child does not repeat."""
    channel = f"kept:{unique}"
    async with Client(way.node.websocket, patience=PATIENCE) as client:
        heard = await client.subscribe(channel)
        assert way.run("forking.py", how, channel) == []
        said = [(await heard.receive()).data for _ in range(sum(EXPECTED[how].values()))]
        page = await client.history(channel, limit=0)
    assert page.position.offset == len(said), "nothing was published twice"
    assert Counter(who for who, _ in said) == EXPECTED[how]
    numbers: dict[str, list[int]] = defaultdict(list)
    for who, number in said:
        numbers[who].append(number)
    assert all(each == sorted(each) for each in numbers.values())
