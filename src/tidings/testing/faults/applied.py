"""The toxics that are on a proxy: each of them meets the connections that are open and those that come."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from random import Random

from tidings.testing.faults.errors import FaultError
from tidings.testing.faults.lane import Touched
from tidings.testing.faults.link import Link
from tidings.testing.faults.toxics import TYPES, Direction, Toxic


@dataclass(slots=True, eq=False)
class Applied:
    """A toxic on a proxy. `touched` is what it has done so far; as a block it is removed at the end."""

    name: str
    toxic: Toxic
    direction: Direction
    toxicity: float
    _among: AppliedToxics
    touched: Touched = field(default_factory=Touched)

    def remove(self) -> None:
        """Take the toxic away; what waits for it gets through at once. Repeating it is harmless."""
        self._among.remove(self)

    def change(self, toxic: Toxic, *, toxicity: float | None = None) -> None:
        """Put another toxic in its place, which begins anew on every connection. What was touched goes on counting."""
        self._among.change(self, toxic, self.toxicity if toxicity is None else toxicity)

    def __enter__(self) -> Applied:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


class AppliedToxics:
    """The toxics by name, in the order in which connections pass them.

    `links` are the connections that are open, which somebody else keeps. `seed` decides which of them a toxic acts on.
    """

    def __init__(self, links: Set[Link], *, seed: int) -> None:
        self._links = links
        self._seed = seed
        self._by_name: dict[str, Applied] = {}

    def all(self) -> tuple[Applied, ...]:
        return tuple(self._by_name.values())

    def add(self, toxic: Toxic, direction: Direction, *, toxicity: float, name: str) -> Applied:
        if type(toxic) not in TYPES.values():
            raise TypeError(f"{toxic!r} is no toxic; take one such as Latency(latency_ms=200).")
        name = name or f"{toxic.kind()}_{direction.value}"
        _require_share(toxicity)
        if name in self._by_name:
            raise FaultError(f"The proxy has a toxic {name} already; remove that first, or name this one.")
        applied = self._by_name[name] = Applied(name, toxic, direction, toxicity, self)
        for link in list(self._links):
            self._meet(link, applied)
        return applied

    def remove(self, applied: Applied) -> None:
        if self._by_name.get(applied.name) is applied:
            del self._by_name[applied.name]
            for link in list(self._links):
                link.remove(applied, applied.direction)

    def change(self, applied: Applied, toxic: Toxic, toxicity: float) -> None:
        _require_share(toxicity)
        applied.toxic, applied.toxicity = toxic, toxicity
        for link in list(self._links):
            place = link.remove(applied, applied.direction)
            if self._by_name.get(applied.name) is applied:
                self._meet(link, applied, place=place)

    def meet(self, link: Link) -> None:
        """Let a connection that comes pass all of them."""
        for applied in self.all():
            self._meet(link, applied)

    # Private steps.

    def _meet(self, link: Link, applied: Applied, *, place: int | None = None) -> None:
        """By the number that the connection has at its proxy, so that the same ones are struck in every run."""
        chance = f"{self._seed} {applied.name} {link.number}"
        if Random(chance).random() < applied.toxicity:  # noqa: S311
            direction, touched = applied.direction, applied.touched
            link.insert(applied, applied.toxic, direction=direction, chance=chance, touched=touched, place=place)


def _require_share(toxicity: float) -> None:
    if not 0 <= toxicity <= 1:
        raise ValueError(f"The toxicity is a share of the connections from 0 to 1, not {toxicity!r}.")
