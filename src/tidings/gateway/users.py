"""Which connections a user has on this node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from tidings.errors import LimitExceeded

C = TypeVar("C")


class Users(Generic[C]):
    """The connected connections by user. `limit` is how many one user may have; 0 is no limit.

    Anonymous connections (user "") are known like all others, and are not limited: they are not one person.
    """

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._connections: dict[str, set[C]] = {}

    def __len__(self) -> int:
        """How many users there are."""
        return len(self._connections)

    @property
    def clients(self) -> int:
        """How many connections they have together."""
        return sum(map(len, self._connections.values()))

    def enter(self, user: str, connection: C) -> None:
        """Count a connection in. Raises `LimitExceeded`."""
        connections = self._connections.get(user, set())
        if user and self._limit and len(connections) >= self._limit:
            raise LimitExceeded("the user has too many connections")
        self._connections.setdefault(user, connections).add(connection)

    def leave(self, user: str, connection: C) -> bool:
        """Count a connection out, and say whether it was in."""
        connections = self._connections.get(user, set())
        if connection not in connections:
            return False
        connections.discard(connection)
        if not connections:
            del self._connections[user]
        return True

    def connections(self, user: str) -> Iterator[C]:
        """The connections of a user, as of now."""
        return iter(tuple(self._connections.get(user, ())))
