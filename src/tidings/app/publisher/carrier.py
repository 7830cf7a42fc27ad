"""How orders leave the process, as a port: over HTTP to a server, or to a broker as a node would.

A carrier is made in any thread and lives in the loop of one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tidings.app.publisher.orders import Orders

BATCH = 500
BATCH_BYTES = 512 * 1024
"""How many orders, and how large, are taken at once. Many a proxy refuses bodies above 1 MiB."""


class Carrier(Protocol):
    """Publishes what waits, and settles each order once.

    Orders of one thread are published in their order. Orders that arrive while others are under way gather, and go
    together. What is not known to be published is repeated only where that cannot publish twice.
    """

    async def run(self, orders: Orders) -> None:
        """Go on until cancelled; then let go of all connections. What is under way by then is not settled here."""


MakeCarrier = Callable[[], Carrier]
