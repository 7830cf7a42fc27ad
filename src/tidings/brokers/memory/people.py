"""Who is there: nodes, the connections of users, and what is remembered of users that are away."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from tidings.brokers.base import Receiver
from tidings.brokers.memory.expiring import Expiring


class People:
    """Part of a `MemoryBackend`. Every method is one atomic step at the time `now`."""

    def __init__(self) -> None:
        self._hearing: dict[str, Receiver] = {}
        self._cards: Expiring[str, bytes] = Expiring()
        self._names: set[str] = set()
        self._untold: deque[tuple[str, bytes]] = deque()
        self._telling = False
        self._leases: Expiring[tuple[str, str], bool] = Expiring()
        self._clients: dict[str, set[str]] = {}
        self._shown: Expiring[str, dict[str, bytes]] = Expiring()
        self._kept: dict[str, dict[str, bytes]] = {}

    def sweep(self, now: float) -> None:
        """Remove a little of what has expired, at a small constant cost."""
        self._names.difference_update(self._cards.sweep(now))
        self._shown.sweep(now)
        for user, client in self._leases.sweep(now):
            self._remove_client(user, client)

    # Nodes.

    def join(self, node: str, card: bytes, receiver: Receiver, until: float) -> None:
        self._hearing[node] = receiver
        self._names.add(node)
        self._cards.set(node, card, until)

    def quit(self, node: str) -> None:
        self._hearing.pop(node, None)
        self._names.discard(node)
        self._cards.remove(node)

    def stop_hearing(self, node: str, receiver: Receiver) -> None:
        """The node is gone; its card lives on until its lease runs out, unless it was withdrawn."""
        if self._hearing.get(node) is receiver:
            del self._hearing[node]

    def nodes(self, now: float) -> dict[str, bytes]:
        cards = ((node, self._cards.get(node, now)) for node in self._names)
        return {node: card for node, card in cards if card is not None}

    def send(self, message: bytes, node: str) -> None:
        """Hand a message over, after those that are being handed over already."""
        self._untold.append((node, message))
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                node, message = self._untold.popleft()
                for receiver in self._receivers(node):
                    receiver.on_message(message)
        finally:
            self._telling = False

    def _receivers(self, node: str) -> list[Receiver]:
        if not node:
            return list(self._hearing.values())
        return [self._hearing[node]] if node in self._hearing else []

    # Connections.

    def arrive(self, user: str, client: str, now: float, until: float, limit: int) -> bool:
        others = self.clients(user, now) - {client}
        is_counted = self._leases.get((user, client), now) is not None
        if limit and len(others) >= limit and not is_counted:
            return False
        self._leases.set((user, client), True, until)
        self._clients.setdefault(user, set()).add(client)
        return True

    def depart(self, user: str, client: str) -> None:
        self._leases.remove((user, client))
        self._remove_client(user, client)

    def clients(self, user: str, now: float) -> set[str]:
        return {client for client in self._clients.get(user, ()) if self._leases.get((user, client), now)}

    def show(self, node: str, changes: Mapping[str, bytes], now: float, until: float) -> None:
        connections = self._shown.get(node, now) or {}
        connections.update(changes)
        for client in [client for client, what in changes.items() if not what]:
            del connections[client]
        self._shown.set(node, connections, until)

    def shown(self, node: str, now: float) -> dict[str, bytes]:
        return dict(self._shown.get(node, now) or {})

    def _remove_client(self, user: str, client: str) -> None:
        clients = self._clients.get(user, set())
        clients.discard(client)
        if not clients:
            self._clients.pop(user, None)

    # Subscriptions.

    def keep(self, user: str, channel: str, terms: bytes) -> None:
        self._kept.setdefault(user, {})[channel] = terms

    def forget(self, user: str, channel: str) -> None:
        channels = self._kept.get(user, {})
        channels.pop(channel, None)
        if not (channel and channels):
            self._kept.pop(user, None)

    def kept(self, user: str) -> Mapping[str, bytes]:
        return dict(self._kept.get(user, {}))
