"""The end of a process that has not closed its publisher."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from tests.app.publisher.conftest import PATIENCE, PROGRAMS, Way

from tidings.app.publisher.lifetimes import EXIT_TIMEOUT
from tidings.testing import Client

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.mark.parametrize("how", ["at once", "raising", "forgotten", "late thread"])
async def test_what_was_accepted_is_published_before_the_process_ends(way: Way, unique: str, how: str) -> None:
    channel = f"kept:{unique}"
    async with Client(way.node.websocket, patience=PATIENCE) as client:
        heard = await client.subscribe(channel)
        way.run("leaving.py", how, channel)
        assert [(await heard.receive()).data for _ in range(200)] == list(range(200))


def test_the_end_waits_for_nobody_for_long() -> None:
    """A server that is not there holds the end up for a bounded time; then it is said what is lost."""
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, str(PROGRAMS / "leaving.py"), "at once", "news", "http://127.0.0.1:1"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert time.monotonic() - began >= EXIT_TIMEOUT
    assert ran.returncode == 0
    assert "200 publications were not delivered before the process ended." in ran.stderr.splitlines()
