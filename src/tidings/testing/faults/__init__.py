"""Bad networks, dying processes and failing services, on purpose and with proof that they happened."""

from tidings.testing.faults.api import toxiproxy_api
from tidings.testing.faults.applied import Applied
from tidings.testing.faults.errors import FaultError, FaultsMissed
from tidings.testing.faults.fault import Fault
from tidings.testing.faults.line import Cut, Drop, Inject
from tidings.testing.faults.partition import Host, Namespaces, Partition
from tidings.testing.faults.process import Kill, Pause, Restart, Resume
from tidings.testing.faults.proxy import FaultProxy
from tidings.testing.faults.redis import FlushScripts, KillClients, OutOfMemory, PauseClients, ReadOnly, Sleep
from tidings.testing.faults.schedule import At, FaultSchedule, Record
from tidings.testing.faults.toxics import (
    Bandwidth,
    Blackhole,
    Corrupt,
    Direction,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)

__all__ = [
    "Applied",
    "At",
    "Bandwidth",
    "Blackhole",
    "Corrupt",
    "Cut",
    "Direction",
    "Drop",
    "Fault",
    "FaultError",
    "FaultProxy",
    "FaultSchedule",
    "FaultsMissed",
    "FlushScripts",
    "Host",
    "Inject",
    "Kill",
    "KillClients",
    "Latency",
    "LimitData",
    "Namespaces",
    "OutOfMemory",
    "Partition",
    "Pause",
    "PauseClients",
    "ReadOnly",
    "Record",
    "ResetPeer",
    "Restart",
    "Resume",
    "Sleep",
    "Slicer",
    "SlowClose",
    "Timeout",
    "Toxic",
    "toxiproxy_api",
]
