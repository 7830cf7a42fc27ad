"""Redis: one server, sentinels, or a cluster."""

from tidings.brokers.redis.address import Address, parse
from tidings.brokers.redis.broker import RedisBroker

__all__ = ["Address", "RedisBroker", "parse"]
