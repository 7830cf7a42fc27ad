"""The in-process broker: publications, streams and leases in the memory of one process."""

from tidings.brokers.memory.backend import MemoryBackend, Statistics
from tidings.brokers.memory.broker import MemoryBroker

__all__ = ["MemoryBackend", "MemoryBroker", "Statistics"]
