"""What the connections of one node share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import Struct

from tidings.channels.errands import Errands
from tidings.channels.hub import Hub
from tidings.clock import Clock
from tidings.gateway.admission import Admission
from tidings.gateway.alarms import Alarms
from tidings.gateway.application import Application
from tidings.gateway.fanout import Member
from tidings.gateway.registry import Registry
from tidings.gateway.session import Policy
from tidings.gateway.users import Users
from tidings.hooks import Hooks

C = TypeVar("C", bound=Member)


class Premises(Struct, Generic[C], frozen=True):
    """Made once per node and handed to every connection, whose type is C."""

    clock: Clock
    hooks: Hooks
    policy: Policy
    hub: Hub[C]
    users: Users[C]
    registry: Registry
    connections: set[C]
    """Every open connection, whether or not its client has said who it is."""
    application: Application
    admission: Admission
    alarms: Alarms
    notices: Errands
    """What the application is told after the fact, in order per client."""
    tasks: set[asyncio.Task[None]]
    """What waits on behalf of connections."""
    drain: Callable[[], None]
    """Begins to send everybody away, because the server stops."""
    queue_limit_bytes: int = 1048576
