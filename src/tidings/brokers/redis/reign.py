"""Which life of which master is at the other end of a line.

Redis makes up a new replication id when a master starts and when a replica is promoted. So two answers with the same id
come from the same data, and only those do.
"""

from __future__ import annotations

import asyncio

from msgspec import Struct

from tidings.brokers.redis.line import Line, ReplyError

MICROSECONDS = 1_000_000


class Reign(Struct, frozen=True):
    """The life of a master. `ahead` is by how many seconds its clock is ahead of the loop's."""

    id: str
    ahead: float

    def microseconds(self, loop_time: float) -> int:
        """A moment of the loop as the server's clock told it."""
        return int((loop_time + self.ahead) * MICROSECONDS)


async def read_reign(line: Line) -> Reign:
    """Make sure that the server is a master, and learn which. Raises `ReplyError` when it is none."""
    loop = asyncio.get_running_loop()
    answers = await asyncio.gather(line.call(b"INFO", b"replication"), line.call(b"TIME"))
    replication, (seconds, microseconds) = answers
    facts = dict(row.split(b":", 1) for row in replication.splitlines() if b":" in row)
    if facts.get(b"role") != b"master":
        raise ReplyError("READONLY the server is a replica, which takes no publications")
    ahead = int(seconds) + int(microseconds) / MICROSECONDS - loop.time()
    return Reign(facts[b"master_replid"].decode(), ahead)
