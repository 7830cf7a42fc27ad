"""Service health: every service of a system says again and again how it is.

What is drawn from where: each service reports at even intervals of its own phase, so that all together report `rate`
times a second. How a service is follows a chain: it stays healthy for ten minutes on average, degraded for one, and
unhealthy for half a minute; out of good health nine times of ten it becomes degraded, and once unhealthy at once. So
services are healthy for nine tenths of the time. A response takes a typical 20 ms (lognormal), five times that when
degraded, and forty times that when unhealthy; errors are as many as the status says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import Enum

import msgspec

from tidings.testing.load.draws import Draws, positive
from tidings.testing.simulators.timeline import Planned, merge, plan

SERVICES = ("gateway", "subscriber", "broadcaster", "database", "redis")


class Status(Enum):
    """How a service is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Manner(msgspec.Struct, frozen=True):
    """How a service behaves in a status: seconds that it stays, ms of a response, share of requests that fail."""

    lasts: float
    response_ms: float
    errors: tuple[float, float]
    worsens: float
    """How likely it is that what comes next is the worse of the two other statuses."""


MANNERS = {
    Status.HEALTHY: Manner(600.0, 20.0, (0.0, 0.005), 0.1),
    Status.DEGRADED: Manner(60.0, 100.0, (0.01, 0.1), 0.2),
    Status.UNHEALTHY: Manner(30.0, 800.0, (0.3, 1.0), 0.5),
}
OTHERS = {
    Status.HEALTHY: (Status.UNHEALTHY, Status.DEGRADED),
    Status.DEGRADED: (Status.UNHEALTHY, Status.HEALTHY),
    Status.UNHEALTHY: (Status.DEGRADED, Status.HEALTHY),
}
"""What comes next: the worse, and the better."""


class HealthUpdate(msgspec.Struct, frozen=True, kw_only=True, tag="health_update"):
    """How a service is. `error_rate` is a share of its requests, `since` the time at which this status began."""

    service: str
    status: Status
    since: float
    response_ms: float
    error_rate: float


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """An endless sequence of `rate` reports a second of all services together, in `channel`."""

    seed: int
    rate: float = 1.0
    services: tuple[str, ...] = SERVICES
    channel: str = "health"

    def __post_init__(self) -> None:
        positive(rate=self.rate, services=len(self.services))

    def events(self) -> Iterator[Planned[HealthUpdate]]:
        """The reports, from the beginning each time."""
        return merge(*(self._reports(service) for service in self.services))

    def _reports(self, service: str) -> Iterator[Planned[HealthUpdate]]:
        draws = Draws(self.seed, "health", service)
        every, chain = len(self.services) / self.rate, Chain(draws)
        phase, number = every * draws.fraction(), 0
        while True:
            at = phase + number * every
            chain.move_to(at)
            yield plan(at, self.channel, chain.update(service), by=service)
            number += 1


class Chain:
    """One service's life: what it is, since when, and until when."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self.status = Status.HEALTHY
        self.since = 0.0
        self._until = draws.gap(1.0 / MANNERS[self.status].lasts)

    def move_to(self, at: float) -> None:
        while self._until <= at:
            worse, better = OTHERS[self.status]
            self.status = worse if self._draws.chance(MANNERS[self.status].worsens) else better
            self.since = self._until
            self._until += self._draws.gap(1.0 / MANNERS[self.status].lasts)

    def update(self, service: str) -> HealthUpdate:
        manner = MANNERS[self.status]
        return HealthUpdate(
            service=service,
            status=self.status,
            since=round(self.since, 3),
            response_ms=round(manner.response_ms * math.exp(self._draws.normal(0.0, 0.4)), 1),
            error_rate=round(self._draws.between(*manner.errors), 4),
        )
