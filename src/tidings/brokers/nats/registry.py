"""Which nodes are there, as one of them knows it from hearing.

NATS stores nothing. Every node tells its card again and again, and everybody remembers it until its lease runs out; who
comes new, or has been away, asks, and all tell theirs at once. Plain values: time is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidings.brokers.nats.envelope import Card


class Registry:
    """The cards that were heard, and the node's own."""

    def __init__(self) -> None:
        self._cards: dict[str, tuple[bytes, float]] = {}
        self._own = Card("")
        self._own_until = 0.0

    # The node itself.

    @property
    def name(self) -> str:
        """Under which the node has joined; "" before and after."""
        return self._own.node

    def join(self, card: Card, now: float) -> None:
        self._own, self._own_until = card, now + card.lease

    def quit(self) -> None:
        self._own = Card("")

    def own(self, now: float) -> Card | None:
        """What to answer when somebody asks: the card with what is left of its lease; None when nothing is."""
        left = self._own_until - now
        return Card(self._own.node, self._own.card, left) if self._own.node and left > 0 else None

    # The others, and what the node hears of itself.

    def hear(self, card: Card, now: float) -> None:
        """Remember a card, or forget a node that is gone."""
        if card.lease > 0:
            self._cards[card.node] = (card.card, now + card.lease)
        else:
            self._cards.pop(card.node, None)

    def alive(self, now: float) -> Mapping[str, bytes]:
        """The cards whose leases have not run out, by node."""
        self._cards = {node: known for node, known in self._cards.items() if known[1] > now}
        return {node: card for node, (card, _) in self._cards.items()}
