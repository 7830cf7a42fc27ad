"""An environment that names no services, and is afterwards as it was.

The tests of containers are collected only where there can be containers, so that they are not skipped elsewhere; the
head of the run says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping

import pytest
from tests.testing.services.containers import obstacle

from tidings.testing.services import NatsServer, PostgresServer, RedisCluster, RedisSentinel, RedisServer

FOUND = (NatsServer, PostgresServer, RedisCluster, RedisSentinel, RedisServer)

NO_CONTAINERS = obstacle()
collect_ignore = ["test_container.py"] if NO_CONTAINERS else []


def pytest_report_header() -> str:
    return f"containers: {f'not tested ({NO_CONTAINERS})' if NO_CONTAINERS else 'tested'}"


@pytest.fixture(autouse=True)
def environment() -> Iterator[MutableMapping[str, str]]:
    """This process's environment, to be changed at will."""
    before = dict(os.environ)
    for name in [*(name for service in FOUND for name in service.variables), "CHROMIUM"]:
        os.environ.pop(name, None)
    yield os.environ
    os.environ.clear()
    os.environ.update(before)
