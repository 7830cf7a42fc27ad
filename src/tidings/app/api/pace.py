"""How often one address may use the HTTP API, and what every answer says about that.

The fields are those of the IETF's draft on rate limits. `RateLimit-Policy` and `RateLimit` are as its present versions
have them (draft-ietf-httpapi-ratelimit-headers-09); `RateLimit-Limit`, `-Remaining` and `-Reset` are those of its
earlier ones, which most clients read.
"""

from __future__ import annotations

import math

from starlette.types import Scope

from tidings import events
from tidings.clock import Clock
from tidings.gateway.admission import Rate, limiting, network, whole_seconds
from tidings.hooks import Hooks

NAME = "api_requests"

Header = tuple[bytes, bytes]


class Pace:
    """Counts requests and, of a batch, commands. Who has no address, as behind a Unix socket, is not limited."""

    def __init__(self, rate: Rate, clock: Clock, hooks: Hooks) -> None:
        limits = limiting(NAME, rate, hooks)
        assert limits is not None
        self._limiter = limits
        self._clock = clock
        self._hooks = hooks
        self._policy = f'"api";q={rate.amount};w={rate.seconds:.0f}'.encode()

    def admits(self, scope: Scope) -> bool:
        """Count one more, if there is room."""
        if not (address := _address(scope)) or self._limiter.hit(network(address), self._clock.now()):
            return True
        self._hooks.announce(events.RateLimited(NAME, address=address))
        return False

    def retry_after(self, scope: Scope) -> Header:
        wait = self._limiter.wait(network(_address(scope)), self._clock.now())
        return b"retry-after", b"%d" % whole_seconds(wait)

    def headers(self, scope: Scope) -> list[Header]:
        """What is left. Times are until more is left than now, in whole seconds, rounded up."""
        if not (address := _address(scope)):
            return []
        key, now, rate = network(address), self._clock.now(), self._limiter.rate
        remaining, reset = self._limiter.remaining(key, now), math.ceil(self._limiter.reset(key, now))
        return [
            (b"ratelimit-policy", self._policy),
            (b"ratelimit", b'"api";r=%d;t=%d' % (remaining, reset)),
            (b"ratelimit-limit", b"%d" % rate.amount),
            (b"ratelimit-remaining", b"%d" % remaining),
            (b"ratelimit-reset", b"%d" % reset),
        ]


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
