"""A real Celery worker with a pool of forked processes, whose tasks publish to clients."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.app.publisher.conftest import PATIENCE, PROGRAMS, Way

from tidings.testing import Client, RedisServer
from tidings.testing.services.process import Process

pytestmark = [pytest.mark.world, pytest.mark.L3]


async def test_tasks_publish(way: Way, redis: RedisServer, unique: str, tmp_path: Path) -> None:
    """Each from its own process, with the publisher that the worker had made and used before it forked."""
    channel = f"kept:{unique}"
    more = {"CELERY_URL": redis.url, "CHANNEL": channel}
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--pool", "prefork"]
    options = ["--concurrency", "2", "--without-gossip", "--without-mingle", "--loglevel", "warning"]
    async with Client(way.node.websocket, patience=PATIENCE) as client:
        heard = await client.subscribe(channel)
        with Process(
            [*command, *options], directory=PROGRAMS, output=tmp_path / "log", environment=way.environment | more
        ):
            what, main = (await heard.receive()).data
            assert what == "loaded"
            way.run("celery_tasks.py", environment=more, warnings="default")
            said = [(await heard.receive()).data for _ in range(1 + 2 * 10)]
    said = [each for each in said if each[0] != "loaded"]  # which the sender was, too
    assert sorted(number for what, number, _ in said if what == "shipped") == list(range(10))
    assert sorted(number for what, number, _ in said if what == "told") == list(range(10))
    assert main not in {pid for _, _, pid in said}
