"""Where an issuer publishes its keys: asked again and again, and remembered in between.

The keys are fetched at the start, and again in the background before their time is over. While the endpoint is down the
last ones stay. A token that names another key makes one request, for which all that wait share: there are at least
`INTERVAL` seconds between two, and after failures a growing pause, so nobody can make us hammer the endpoint with keys
that do not exist. Whoever's key is known never waits.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from tidings import events
from tidings.balancer.breaker import Breaker
from tidings.clock import Clock
from tidings.errors import KeysUnavailable
from tidings.gateway.keys.jwks import KeySet
from tidings.gateway.keys.retrieval import TIMEOUT, Unreachable, lifetime, retrieve, shown
from tidings.gateway.signatures import Check
from tidings.hooks import Hooks

INTERVAL = 2.0
"""Seconds between two requests, however many tokens name keys that are not known."""

EARLY = 0.1, 0.3
"""Which part of its lifetime is left when a set is fetched again; drawn, so that nodes do not all come at once."""

PAUSE, LONGEST_PAUSE = 1.0, 15.0
"""Seconds after failures, drawn from nothing up to these."""


class Endpoint:
    """See the module. `source` is the section of the settings that names it, `ttl` is in seconds.

    `interval` is the least time between two requests, and `timeout` how long one may take. It works once `start` was
    called in an event loop, and until `stop`.
    """

    def __init__(
        self,
        url: str,
        ttl: float,
        *,
        source: str,
        hooks: Hooks,
        clock: Clock,
        interval: float = INTERVAL,
        timeout: float = TIMEOUT,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.url = url
        self.ttl = ttl
        self._source = source
        self._hooks = hooks
        self._clock = clock
        self._interval = interval
        self._timeout = timeout
        self._draw = draw
        self._keys: KeySet | None = None
        self._breaker = Breaker(base=PAUSE, cap=LONGEST_PAUSE, draw=draw)
        self._began = -interval
        self._due = 0.0
        self._current: asyncio.Future[bool] | None = None
        """The outcome of the request under way."""
        self._next: asyncio.Future[bool] | None = None
        """The outcome of the request after that, which somebody waits for."""
        self._called = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_cancelled = False

    def __repr__(self) -> str:
        return f"<Endpoint {shown(self.url)}, {len(self._keys or ())} keys>"

    # Life.

    def start(self) -> None:
        """Begin to fetch, unless it has begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"keys of {self._source}")

    async def stop(self) -> None:
        """Fetch no more."""
        self.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])

    def cancel(self) -> None:
        """Begin to stop. Who waits is told that there are no keys."""
        if self._task is not None:
            self._task.cancel()
        for outcome in (self._current, self._next):
            if outcome is not None and not outcome.done():
                outcome.set_result(False)
        self._is_cancelled = True

    @property
    def is_stopped(self) -> bool:
        return self._is_cancelled and (self._task is None or self._task.done())

    def refresh(self) -> None:
        """Fetch anew as soon as may be: somebody says that the keys have changed."""
        self._due = 0.0
        self._called.set()

    # What it is asked (`KeySource`).

    def find(self, kid: str, algorithm: str) -> Sequence[Check] | None:
        return None if self._keys is None else self._keys.find(kid, algorithm)

    async def learn(self) -> None:
        """Wait until a request that begins from now on has been answered; where no key is known, any request.

        Raises `KeysUnavailable` when there is none, at once while the endpoint is known to be down. Cancelling stops
        the waiting only.
        """
        if self._is_cancelled:
            raise KeysUnavailable
        self.start()
        outcome = self._awaited()
        try:
            # For the request under way, for the interval, for the next one.
            async with asyncio.timeout(self._interval + 2 * self._timeout):
                answered = await asyncio.shield(outcome)
        except TimeoutError:
            answered = False
        if not answered or not self._keys:
            raise KeysUnavailable

    def _awaited(self) -> asyncio.Future[bool]:
        if self._current is not None and self._keys is None:
            return self._current
        if self._breaker.failures and not self._may_try() and self._current is None:
            raise KeysUnavailable
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            self._called.set()
        return self._next

    def _may_try(self) -> bool:
        pause = self._breaker.deadline()
        return pause is None or self._clock.now() >= pause

    # The one task.

    async def _run(self) -> None:
        while True:
            await self._wait_until_due()
            await self._fetch()

    async def _wait_until_due(self) -> None:
        """Until the keys grow old or somebody asks for others; not before the endpoint may be asked again."""
        while True:
            self._called.clear()
            now = self._clock.now()
            earliest = max(self._began + self._interval, self._breaker.deadline() or 0.0)
            wanted = earliest if self._next is not None else max(earliest, self._due)
            if now >= wanted:
                return
            try:
                async with asyncio.timeout(wanted - now):
                    await self._called.wait()
            except TimeoutError:
                continue

    async def _fetch(self) -> None:
        self._began = self._clock.now()
        loop = asyncio.get_running_loop()
        outcome = self._current = self._next or loop.create_future()
        self._next = None
        self._breaker.attempt(self._began)
        try:
            retrieved = await retrieve(self.url, timeout=self._timeout)
        except Unreachable as error:
            self._fail(str(error))
        except Exception as error:  # A defect, and none that may end the fetching.
            self._fail(repr(error))
        else:
            self._take(retrieved.keys, lifetime(self.ttl, retrieved.max_age))
        self._current = None
        if not outcome.done():
            outcome.set_result(self._breaker.failures == 0)

    def _take(self, keys: KeySet, life: float) -> None:
        changed = self._keys is None or keys.kids != self._keys.kids
        self._keys = keys
        self._breaker.succeeded()
        least, most = EARLY
        self._due = self._clock.now() + life * (1.0 - least - (most - least) * self._draw())
        self._hooks.announce(events.KeysFetched(self._source, len(keys), keys.ignored, changed))

    def _fail(self, reason: str) -> None:
        now = self._clock.now()
        self._breaker.failed(now)
        self._due = self._breaker.deadline() or now
        self._hooks.announce(events.KeysUnreachable(self._source, shown(self.url), reason, len(self._keys or ())))
