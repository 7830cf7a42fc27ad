"""Real services for tests, each as a block."""

from tidings.testing.services.base import Missing, Service, ServiceError, SharedService
from tidings.testing.services.node import AsgiApp, TidingsNode
from tidings.testing.services.redis import RedisServer

__all__ = ["AsgiApp", "Missing", "RedisServer", "Service", "ServiceError", "SharedService", "TidingsNode"]
