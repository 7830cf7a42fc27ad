"""The six invariants, each a function of a run and its rules that answers with the first violation or with None."""

from tidings.testing.delivery.invariants.delivery import delivery
from tidings.testing.delivery.invariants.duplicates import duplicates
from tidings.testing.delivery.invariants.faults import faults
from tidings.testing.delivery.invariants.order import order
from tidings.testing.delivery.invariants.permission import permission
from tidings.testing.delivery.invariants.presence import presence
from tidings.testing.delivery.invariants.truth import truth
from tidings.testing.delivery.invariants.violation import Invariant, Violation

INVARIANTS = (delivery, order, duplicates, permission, truth, presence, faults)

__all__ = [
    "INVARIANTS",
    "Invariant",
    "Violation",
    "delivery",
    "duplicates",
    "faults",
    "order",
    "permission",
    "presence",
    "truth",
]
