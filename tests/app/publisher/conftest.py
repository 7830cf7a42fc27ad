"""What the publishers publish to: a node over a real Redis, reached by its API or by going past it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tidings import AsyncPublisher, Publisher
from tidings.testing import RedisServer, TidingsNode

KEY = "the key of these tests"
PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[3]
PATIENCE = 30.0

CHANNELS = {
    "namespaces": {
        "kept": {"history_size": 10000, "history_ttl": 300.0, "allow_recovery": True},
        "plain": {"presence": False},
    },
}


def node_on(redis: RedisServer) -> TidingsNode:
    return TidingsNode(
        {
            "api": {"key": KEY},
            "client": {"insecure": True, "ping_interval": 0},
            "broker": {"url": redis.url, "prefix": f"publisher-{uuid.uuid4().hex[:8]}"},
            "channels": CHANNELS,
        }
    )


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as redis:
        yield redis


@pytest.fixture(scope="session")
def node(redis: RedisServer) -> Iterator[TidingsNode]:
    with node_on(redis) as node:
        yield node


@dataclass
class Way:
    """One of the two ways to the node's clients. A program needs only the URL: the rest is in its environment."""

    name: str
    url: str
    node: TidingsNode
    arguments: Mapping[str, Any]

    def publisher(self, **more: Any) -> Publisher:
        return Publisher(self.url, **self.arguments, **more)

    def twin(self, **more: Any) -> AsyncPublisher:
        return AsyncPublisher(self.url, **self.arguments, **more)

    @property
    def environment(self) -> dict[str, str]:
        own = {"TIDINGS_API__KEY": KEY, "TIDINGS_CONFIG": str(self.node.config), "PUBLISHER_URL": self.url}
        return {**os.environ, **own, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT), str(PROGRAMS)])}

    def run(
        self, program: str, *arguments: str, environment: Mapping[str, str] = {}, warnings: str = "error"
    ) -> list[str]:
        """What a program prints, by lines. It has ended well, and in time."""
        ran = subprocess.run(
            [sys.executable, "-W", warnings, str(PROGRAMS / program), *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        return ran.stdout.splitlines()


@pytest.fixture(params=["http", "redis"])
def way(request: pytest.FixtureRequest, node: TidingsNode, redis: RedisServer) -> Way:
    if request.param == "http":
        return Way("http", node.url, node, {"key": KEY})
    return Way("redis", redis.url, node, {"settings": node.config})


@pytest.fixture
def unique() -> str:
    return uuid.uuid4().hex[:8]
