"""A mapping whose entries end at their deadlines, without a timer or a task.

An entry past its deadline is not found any more. What nobody asks for is removed by `sweep`, which goes round the
entries, two at a time. A round over n entries that is called once for every entry added meets at most n / 2 new ones;
so at any time at least half of what is held was alive when the last round began, and memory follows what lives.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Expiring(Generic[Key, Value]):
    """A mapping with deadlines. An entry lives while its deadline is later than the `now` of whoever looks."""

    def __init__(self) -> None:
        # In the order in which they are looked at next.
        self._entries: OrderedDict[Key, tuple[Value, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many entries are held, the expired that were not swept yet among them."""
        return len(self._entries)

    def get(self, key: Key, now: float) -> Value | None:
        value, deadline = self._entries.get(key, (None, now))
        return value if deadline > now else None

    def set(self, key: Key, value: Value, deadline: float) -> None:
        """Add or replace an entry."""
        self._entries[key] = (value, deadline)

    def remove(self, key: Key) -> None:
        """Remove an entry, if there is one."""
        self._entries.pop(key, None)

    def sweep(self, now: float) -> list[Key]:
        """Look at the two entries that were not looked at for longest; remove the expired, and return their keys."""
        expired: list[Key] = []
        if not self._entries:  # most of a node's are empty, and every call sweeps all of them
            return expired
        for _ in range(min(2, len(self._entries))):
            key, (value, deadline) = self._entries.popitem(last=False)
            if deadline > now:
                self._entries[key] = (value, deadline)
            else:
                expired.append(key)
        return expired
