"""What endpoints are told after the fact, and never asked: ends of connections and subscriptions, states of channels.

Endpoints at the same origin (scheme, host and port) belong to one back end, and hear of a connection's ends in one
order, whichever of them is told. Endpoints at different origins do not wait for each other.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from tidings.clock import Clock
from tidings.gateway.webhooks.backlog import Notice
from tidings.gateway.webhooks.courier import Courier
from tidings.gateway.webhooks.endpoint import Endpoint
from tidings.gateway.webhooks.terms import Event, Terms
from tidings.hooks import Hooks


class Notices:
    """The endpoints that are told, with what waits for them."""

    def __init__(self, endpoints: Mapping[Event, Endpoint], hooks: Hooks, clock: Clock) -> None:
        self._endpoints = endpoints
        self._clock = clock
        self._counter = itertools.count(1)
        self._couriers: dict[Event, Courier] = {}
        for group in _by_origin(endpoints):
            courier = Courier({event: endpoints[event] for event in group}, hooks, clock)
            self._couriers |= dict.fromkeys(group, courier)

    def __len__(self) -> int:
        """How many notices have not arrived."""
        return sum(map(len, set(self._couriers.values())))

    @property
    def terms(self) -> list[Terms]:
        """Those of all endpoints."""
        return [endpoint.terms for endpoint in self._endpoints.values()]

    def about(self, event: Event) -> Terms | None:
        """The terms of who is told of an event; None where nobody is."""
        endpoint = self._endpoints.get(event)
        return endpoint.terms if endpoint is not None else None

    def number(self) -> str:
        """What tells a new notice from all others, so that one that arrives twice is recognised."""
        return str(uuid.uuid4())

    def add(self, event: Event, subject: str, body: bytes, headers: Mapping[str, bytes] = {}) -> None:
        """Tell an endpoint something, after all earlier notices about the same subject. Does not wait."""
        notice = Notice(next(self._counter), event, subject, body, headers, self._clock.now())
        self._couriers[event].add(notice)

    async def stop(self) -> None:
        """Deliver what waits, for as long as the terms say, then give up the rest."""
        stopping = [
            courier.stop(max(terms.flush_timeout for terms in self.terms)) for courier in set(self._couriers.values())
        ]
        await asyncio.gather(*stopping)
        for endpoint in self._endpoints.values():
            await endpoint.close()


def _by_origin(endpoints: Mapping[Event, Endpoint]) -> Iterable[list[Event]]:
    groups: dict[tuple[str, str], list[Event]] = {}
    for event, endpoint in endpoints.items():
        parts = urlsplit(endpoint.terms.url)
        groups.setdefault((parts.scheme, parts.netloc), []).append(event)
    return groups.values()
