"""A toolkit for tests of real-time software: real services, real faults, real clients, and proof of delivery.

>>> from tidings.testing import Client, FaultProxy, RedisServer, TidingsNode

It knows Tidings and does not need it: any application that speaks WebSocket, Socket.IO or Redis can be tested with it.
Each name is fetched when it is first asked for, so that a test pays for nothing that it does not use. What is not
listed here is in the package that its page names: `services`, `faults`, `clients`, `delivery`, `load`, `simulators`,
`contracts`.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from tidings.testing.clients import Client, ManyClients, PlainClient, SocketIoClient
    from tidings.testing.delivery import ChannelRules, History, Observer, Recorder, Rules, check
    from tidings.testing.faults import FaultProxy, FaultSchedule
    from tidings.testing.load import LatencyRecorder, MemoryOf, OpenLoop, Throughput
    from tidings.testing.plugin import mock_justified
    from tidings.testing.services import (
        AsgiApp,
        Browser,
        NatsServer,
        PostgresServer,
        RedisCluster,
        RedisSentinel,
        RedisServer,
        TidingsCluster,
        TidingsNode,
    )

__all__ = [
    "AsgiApp",
    "Browser",
    "ChannelRules",
    "Client",
    "FaultProxy",
    "FaultSchedule",
    "History",
    "LatencyRecorder",
    "ManyClients",
    "MemoryOf",
    "NatsServer",
    "Observer",
    "OpenLoop",
    "PlainClient",
    "PostgresServer",
    "Recorder",
    "RedisCluster",
    "RedisSentinel",
    "RedisServer",
    "Rules",
    "SocketIoClient",
    "Throughput",
    "TidingsCluster",
    "TidingsNode",
    "check",
    "mock_justified",
]

_HOMES = {
    "clients": ("Client", "ManyClients", "PlainClient", "SocketIoClient"),
    "delivery": ("ChannelRules", "History", "Observer", "Recorder", "Rules", "check"),
    "faults": ("FaultProxy", "FaultSchedule"),
    "load": ("LatencyRecorder", "MemoryOf", "OpenLoop", "Throughput"),
    "plugin": ("mock_justified",),
    "services": (
        "AsgiApp",
        "Browser",
        "NatsServer",
        "PostgresServer",
        "RedisCluster",
        "RedisSentinel",
        "RedisServer",
        "TidingsCluster",
        "TidingsNode",
    ),
}


def __getattr__(name: str) -> object:
    for package, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{package}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
