"""One publication of a run, put together from what its publisher has noted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from tidings.model import StreamPosition


class Outcome(Enum):
    OK = "acknowledged"
    FAILED = "failed"
    UNKNOWN = "of unknown outcome"


@dataclass(frozen=True, slots=True)
class Publication:
    """One call of publish. Its publication came into being between `invoked` and `decided`, if it did."""

    id: str
    channel: str
    publisher: str
    data: str
    invoked: float
    outcome: Outcome = Outcome.UNKNOWN
    decided: float = math.inf
    """When the call returned; never, as long as the outcome is unknown."""
    position: StreamPosition | None = None
