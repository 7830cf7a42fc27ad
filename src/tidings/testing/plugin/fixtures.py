"""Services as fixtures: one for the session, one for a class, and a fresh one for each test where that is cheap."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tidings.testing.plugin.services import absent, block, redis_block

SECRET = "a secret for tests, of more than thirty-two bytes"  # noqa: S105
KEY = "a key for tests"


# Redis.


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `RedisServer` for the whole session of this process."""
    with redis_block(pytestconfig) as server:
        yield server


@pytest.fixture(scope="class")
def redis_server_of_class(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `RedisServer` of one class, which it may kill and restart."""
    with redis_block(pytestconfig) as server:
        yield server


@pytest.fixture
def redis(redis_server: Any) -> Any:
    """The session's `RedisServer`, without a key."""
    redis_server.clear()
    return redis_server


@pytest.fixture(scope="session")
def redis_sentinel(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `RedisSentinel` with what it watches, for the session."""
    with block(pytestconfig, "sentinel") as server:
        yield server


@pytest.fixture(scope="class")
def redis_sentinel_of_class(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `RedisSentinel` of one class."""
    with block(pytestconfig, "sentinel") as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `RedisCluster` for the session."""
    with block(pytestconfig, "cluster") as server:
        yield server


@pytest.fixture(scope="class")
def redis_cluster_of_class(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `RedisCluster` of one class."""
    with block(pytestconfig, "cluster") as server:
        yield server


# PostgreSQL, NATS, Kafka.


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `PostgresServer` for the session."""
    with block(pytestconfig, "postgres") as server:
        yield server


@pytest.fixture(scope="class")
def postgres_server_of_class(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `PostgresServer` of one class."""
    with block(pytestconfig, "postgres") as server:
        yield server


@pytest.fixture
def postgres(postgres_server: Any) -> str:
    """The address of an empty database of the session's `PostgresServer`."""
    return str(postgres_server.database())


@pytest.fixture(scope="session")
def nats_server(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `NatsServer` for the session."""
    with block(pytestconfig, "nats") as server:
        yield server


@pytest.fixture(scope="class")
def nats_server_of_class(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `NatsServer` of one class."""
    with block(pytestconfig, "nats") as server:
        yield server


@pytest.fixture(scope="session")
def kafka_bootstrap_servers(pytestconfig: pytest.Config) -> list[str]:
    """Where Kafka is, from $KAFKA_BOOTSTRAP_SERVERS; the toolkit starts none itself."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
    if not servers:
        absent(pytestconfig, "kafka", "there is no Kafka: name a running one in KAFKA_BOOTSTRAP_SERVERS.")
    return [server.strip() for server in servers.split(",")]


# Tidings.


@pytest.fixture(scope="session")
def tidings_settings() -> Mapping[str, Any]:
    """The settings of `tidings_node`; a suite with others overrides this fixture. The secret is $JWT_SECRET_KEY's."""
    return {"auth": {"hmac_secret": os.environ.get("JWT_SECRET_KEY", SECRET)}, "api": {"key": KEY}}


@pytest.fixture(scope="session")
def tidings_node(tidings_settings: Mapping[str, Any]) -> Iterator[Any]:
    """A `TidingsNode` for the session."""
    from tidings.testing.services import TidingsNode

    with TidingsNode(tidings_settings) as node:
        yield node


@pytest.fixture(scope="class")
def tidings_node_of_class(tidings_settings: Mapping[str, Any]) -> Iterator[Any]:
    """A `TidingsNode` of one class, which it may kill and restart."""
    from tidings.testing.services import TidingsNode

    with TidingsNode(tidings_settings) as node:
        yield node


@pytest.fixture(scope="session")
def tidings_cluster(tidings_settings: Mapping[str, Any]) -> Iterator[Any]:
    """A `TidingsCluster` of two nodes and a Redis of their own, for the session."""
    from tidings.testing.services import TidingsCluster

    with TidingsCluster(2, tidings_settings) as cluster:
        yield cluster


@pytest.fixture(scope="class")
def tidings_cluster_of_class(tidings_settings: Mapping[str, Any]) -> Iterator[Any]:
    """A `TidingsCluster` of one class, which it may harm."""
    from tidings.testing.services import TidingsCluster

    with TidingsCluster(2, tidings_settings) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> str:
    """Where the server under test is, such as "ws://localhost:8000": $SERVER_URL, else the session's `TidingsNode`."""
    given = os.environ.get("SERVER_URL", "")
    if given:
        return given.rstrip("/")
    url: str = request.getfixturevalue("tidings_node").url
    return url.replace("http", "ws", 1)
