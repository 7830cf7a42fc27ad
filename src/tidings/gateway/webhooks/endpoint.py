"""One endpoint of the application: a world of its own.

It has its own timeout, its own bound on calls under way and waiting, its own circuit and its own connections. However
slow or dead it is, other endpoints and whoever is not waiting for this very one notice nothing.

    ask ──▶ circuit open? ──▶ room? ──▶ call ──▶ read ──▶ answer
              └ OPEN           └ BUSY    ├ TIMEOUT, UNREACHABLE, BROKEN: too many in a row open the circuit
                                         └ STATUS, INVALID: it works, and answers nonsense
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from tidings import events
from tidings.balancer.breaker import Breaker, Circuit
from tidings.clock import Clock
from tidings.errors import Disconnect, TidingsError
from tidings.gateway.webhooks import headers
from tidings.gateway.webhooks.line import Line, Response
from tidings.gateway.webhooks.slots import Full, Slots
from tidings.gateway.webhooks.terms import FAILURES, CallFailed, Outcome, Terms
from tidings.hooks import Hooks

T = TypeVar("T")
Read = Callable[[Response], T]
"""Makes something of an answer. Raises `BadAnswer` and other `CallFailed`, or what the endpoint decided."""

THRESHOLD = 5
"""Failures in a row after which an endpoint is left alone."""

BASE, CAP = 0.25, 5.0
"""Seconds: about how long at first, and at most."""


class Endpoint:
    """See the module. Raises `OSError` and `ssl.SSLError` as `Line` does."""

    def __init__(self, terms: Terms, hooks: Hooks, clock: Clock) -> None:
        self.terms = terms
        self._hooks = hooks
        self._clock = clock
        self._line = Line(terms)
        self._slots = Slots(terms.concurrency, terms.queue_limit)
        self._breaker = Breaker(base=BASE, cap=CAP, threshold=THRESHOLD)
        self._era = 0
        """Counts how often the circuit has opened: what began before says nothing new."""

    def __repr__(self) -> str:
        return f"<Endpoint for {self.terms.event}, {self._breaker!r}>"

    @property
    def retry_at(self) -> float | None:
        """When it may be tried again, while it is left alone."""
        return self._breaker.deadline()

    def is_open(self, now: float) -> bool:
        """Whether it is left alone now."""
        return self._breaker.state(now) is Circuit.OPEN

    async def close(self) -> None:
        """Let go of its connections."""
        await self._line.close()

    async def ask(self, body: bytes, passed: Mapping[str, bytes], read: Read[T], *, client: str) -> T:
        """Call it, waiting for a turn where many others do.

        `passed` are headers of the client, who is called `client` for those who look. Waiting and call take at most
        twice the timeout together. Raises `CallFailed`, and what `read` raises. Cancelling ends the call.
        """
        if self.is_open(self._clock.now()):
            raise self._spared(Outcome.OPEN, client)
        try:
            await self._slots.enter(self.terms.timeout)
        except (Full, TimeoutError):
            raise self._spared(Outcome.BUSY, client) from None
        try:
            return await self.call(body, passed, read, client=client)
        finally:
            self._slots.leave()

    async def call(self, body: bytes, passed: Mapping[str, bytes], read: Read[T], *, client: str) -> T:
        """Call it now, unless it is left alone. Raises as `ask` does."""
        began = self._clock.now()
        if not self._breaker.attempt(began):
            raise self._spared(Outcome.OPEN, client)
        era, outcome, why = self._era, Outcome.CANCELLED, ""
        self._hooks.announce(events.WebhookBegan(self.terms.event))
        try:
            answer = read(await self._post(body, passed, began))
            outcome = Outcome.OK
            return answer
        except CallFailed as failed:
            outcome, why = failed.outcome, failed.why
            raise
        except TidingsError:
            outcome = Outcome.ERROR
            raise
        except Disconnect:
            outcome = Outcome.DISCONNECT
            raise
        finally:
            now = self._clock.now()
            self._judge(outcome, why, era, now)
            self._hooks.announce(events.WebhookEnded(self.terms.event, outcome, now - began, client, why))

    async def _post(self, body: bytes, passed: Mapping[str, bytes], now: float) -> Response:
        try:
            async with asyncio.timeout(self.terms.timeout):
                sent = headers.of_call(body, passed, secret=self.terms.secret, now=now)
                return await self._line.post(body, sent)
        except TimeoutError:
            raise CallFailed(Outcome.TIMEOUT, f"did not answer within {self.terms.timeout:g} s") from None

    def _judge(self, outcome: Outcome, why: str, era: int, now: float) -> None:
        """Let the circuit know."""
        was_closed = self._breaker.state(now) is Circuit.CLOSED
        if outcome is Outcome.CANCELLED:
            if era == self._era:
                self._breaker.abandoned()
        elif outcome not in FAILURES:
            self._breaker.succeeded()
            if not was_closed:
                self._hooks.announce(events.WebhookResumed(self.terms.event))
        elif era == self._era:
            self._breaker.failed(now)
            if self._breaker.deadline() is not None:
                self._era += 1
                if was_closed:
                    self._hooks.announce(events.WebhookAway(self.terms.event, why))

    def _spared(self, outcome: Outcome, client: str) -> CallFailed:
        self._hooks.announce(events.WebhookSpared(self.terms.event, outcome, client))
        return CallFailed(outcome, "")


def require_success(response: Response, *, exactly: int = 0) -> None:
    """Raise `CallFailed` for a status that is none from 200 to 299, or not the one that is asked for."""
    status = response.status
    if status == exactly or (not exactly and 200 <= status <= 299):
        return
    redirect = ", and redirects are not followed" if 300 <= status <= 399 else ""
    outcome = Outcome.BROKEN if status >= 500 else Outcome.STATUS
    raise CallFailed(outcome, f"answered with status {status}{redirect}", status=status)
