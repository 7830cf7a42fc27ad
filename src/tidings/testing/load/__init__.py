"""Time and load: how long things took, how many there were, what they cost, and tests in which time is free."""

from tidings.clock import ManualClock
from tidings.testing.load.clock import VirtualLoop, in_virtual_time
from tidings.testing.load.latency import LatencyRecorder, Summary
from tidings.testing.load.memory import MemoryOf
from tidings.testing.load.schedule import Offered, OpenLoop, offer
from tidings.testing.load.throughput import Throughput

__all__ = [
    "LatencyRecorder",
    "ManualClock",
    "MemoryOf",
    "Offered",
    "OpenLoop",
    "Summary",
    "Throughput",
    "VirtualLoop",
    "in_virtual_time",
    "offer",
]
