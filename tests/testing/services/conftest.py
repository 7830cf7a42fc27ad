"""An environment that names no services, and is afterwards as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping

import pytest

from tidings.testing.services import NatsServer, PostgresServer, RedisCluster, RedisSentinel, RedisServer

FOUND = (NatsServer, PostgresServer, RedisCluster, RedisSentinel, RedisServer)


@pytest.fixture(autouse=True)
def environment() -> Iterator[MutableMapping[str, str]]:
    """This process's environment, to be changed at will."""
    before = dict(os.environ)
    for name in [*(name for service in FOUND for name in service.variables), "CHROMIUM"]:
        os.environ.pop(name, None)
    yield os.environ
    os.environ.clear()
    os.environ.update(before)
