"""Real services for tests, each as a block."""

from tidings.testing.services.base import Service
from tidings.testing.services.block import Block, Missing, ServiceError
from tidings.testing.services.browser import Browser
from tidings.testing.services.group import Group
from tidings.testing.services.nats import NatsServer
from tidings.testing.services.node import AsgiApp, TidingsNode
from tidings.testing.services.postgres import PostgresServer
from tidings.testing.services.redis import RedisServer
from tidings.testing.services.redis_cluster import RedisCluster
from tidings.testing.services.redis_sentinel import RedisSentinel
from tidings.testing.services.shared import SharedService
from tidings.testing.services.tidings_cluster import TidingsCluster

__all__ = [
    "AsgiApp",
    "Block",
    "Browser",
    "Group",
    "Missing",
    "NatsServer",
    "PostgresServer",
    "RedisCluster",
    "RedisSentinel",
    "RedisServer",
    "Service",
    "ServiceError",
    "SharedService",
    "TidingsCluster",
    "TidingsNode",
]
