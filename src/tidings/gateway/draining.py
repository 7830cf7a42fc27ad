"""How a node sends its clients away when it stops."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

C = TypeVar("C")

FASTEST = 500
"""Clients told per second at least; few are told at once, many are spread so that they do not all return together."""

BEAT = 0.02
"""Seconds between two groups of clients."""


async def drain(connections: Sequence[C], tell: Callable[[C], None], timeout: float) -> None:
    """Tell everybody, spread over at most `timeout` seconds. Cancelling leaves the rest untold."""
    rate = max(FASTEST, len(connections) / timeout if timeout > 0 else math.inf)
    group = math.ceil(min(rate * BEAT, len(connections) or 1))
    for first in range(0, len(connections), group):
        if first:
            await asyncio.sleep(BEAT)
        for connection in connections[first : first + group]:
            tell(connection)
