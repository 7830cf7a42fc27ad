"""The end of a process that has not closed its publisher."""

from __future__ import annotations

import pytest
from tests.app.publisher.conftest import PATIENCE, Way

from tidings.testing import Client

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.mark.parametrize("how", ["at once", "raising", "forgotten", "late thread"])
async def test_what_was_accepted_is_published_before_the_process_ends(way: Way, unique: str, how: str) -> None:
    channel = f"kept:{unique}"
    async with Client(way.node.websocket, patience=PATIENCE) as client:
        heard = await client.subscribe(channel)
        way.run("leaving.py", how, channel)
        assert [(await heard.receive()).data for _ in range(200)] == list(range(200))
