"""What an invariant says when a run breaks it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from msgspec import Struct

from tidings.testing.delivery.records import AnyRecord


class Invariant(Enum):
    """The six, in their order, and what makes a run worth looking at."""

    DELIVERY = "what is acknowledged is delivered, or a gap is told"
    ORDER = "in the order of offsets, or of each publisher"
    DUPLICATES = "nothing twice"
    PERMISSION = "nothing to whom it is not allowed"
    TRUTH = "nothing that was not published so"
    PRESENCE = "presence converges to the living"
    FAULTS = "every fault that was expected has fired"


RANK = {invariant: rank for rank, invariant in enumerate(Invariant)}


class Violation(Struct, frozen=True, kw_only=True):
    """One broken promise: which, in the words of the design, and by what."""

    invariant: Invariant
    promise: str
    what: str
    at: float
    record: AnyRecord | None = None
    """Where to look in the history."""
    client: str = ""
    channel: str = ""
    publication: str = ""


def first(violations: Iterable[Violation | None]) -> Violation | None:
    """The earliest."""
    return min((each for each in violations if each is not None), key=lambda each: each.at, default=None)
