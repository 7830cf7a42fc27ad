"""Delivers what waits in a backlog: in order per subject, at least once while the node lives and the endpoint takes it.

It owns a task only for each call that is under way, and one timer while something pauses. Whoever adds a notice never
waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from contextvars import Context

from tidings import events
from tidings.clock import Clock
from tidings.gateway.webhooks.backlog import Backlog, Notice, Room
from tidings.gateway.webhooks.endpoint import Endpoint, require_success
from tidings.gateway.webhooks.terms import CallFailed, Event, Outcome
from tidings.hooks import Hooks

FAREWELL = 1.0
"""Seconds that a call may take to notice that it is cancelled."""


class Courier:
    """Brings the notices of some events to their endpoints, in one order. See the module."""

    def __init__(self, endpoints: Mapping[Event, Endpoint], hooks: Hooks, clock: Clock) -> None:
        self._endpoints = endpoints
        self._hooks = hooks
        self._clock = clock
        self._backlog = Backlog(
            {
                event: Room(terms.queue_limit, terms.queue_limit_bytes, terms.retry_for)
                for event, terms in ((event, endpoint.terms) for event, endpoint in endpoints.items())
            }
        )
        self._under_way = dict.fromkeys(endpoints, 0)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._stopped = False

    def __len__(self) -> int:
        """How many notices have not arrived."""
        return len(self._backlog)

    def add(self, notice: Notice) -> None:
        """Deliver a notice as soon as possible."""
        self._hooks.announce(events.NoticeQueued(notice.event))
        if self._stopped:
            self._announce_dropped(notice.event, "stopped", 1)
            return
        if dropped := self._backlog.add(notice):
            self._announce_dropped(notice.event, "full", len(dropped))
        self._go_on()

    async def stop(self, timeout: float) -> None:
        """Go on for at most `timeout` seconds while anything waits, then give up what is left. Takes no more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while len(self._backlog):
                    self._changed.clear()
                    await self._changed.wait()
        self._stopped = True
        self._set_timer(None)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FAREWELL)
        for event, count in self._backlog.counts().items():
            if count:
                self._announce_dropped(event, "stopped", count)

    # Private steps.

    def _go_on(self) -> None:
        """Begin all calls that may begin now, and see to it that the others will."""
        if self._stopped:
            return
        now = self._clock.now()
        for event, endpoint in self._endpoints.items():
            while self._may_call(event, endpoint, now) and self._backlog.has(event, now):
                self._begin(endpoint, self._backlog.take(event, now))
        self._set_timer(self._deadline(now))

    def _may_call(self, event: Event, endpoint: Endpoint, now: float) -> bool:
        if endpoint.retry_at is not None:  # One attempt tells whether it works again.
            return not endpoint.is_open(now) and not self._under_way[event]
        return self._under_way[event] < endpoint.terms.concurrency

    def _begin(self, endpoint: Endpoint, notice: Notice) -> None:
        self._under_way[endpoint.terms.event] += 1
        # In a context of its own: whoever frees a place is seldom whom the notice is about, and lends it no trace.
        task = asyncio.get_running_loop().create_task(
            self._deliver(endpoint, notice), name=f"notice of {notice.event}", context=Context()
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, endpoint: Endpoint, notice: Notice) -> None:
        try:
            await endpoint.call(notice.body, notice.headers, require_success, client=notice.subject)
        except CallFailed as failed:
            if failed.outcome is Outcome.OPEN:
                self._backlog.returned(notice)
            elif failed.is_refusal:
                self._refused(notice)
            else:
                self._backlog.failed(notice, self._clock.now())
        except Exception as error:  # It must not end the delivery of everything else.
            self._hooks.announce(events.CommandFailed(f"notice of {notice.event}", notice.subject, error))
            self._refused(notice)
        else:
            self._backlog.told(notice)
            self._hooks.announce(events.NoticeDelivered(notice.event, self._clock.now() - notice.at))
        finally:
            self._under_way[endpoint.terms.event] -= 1
            self._changed.set()
            self._go_on()

    def _refused(self, notice: Notice) -> None:
        if self._backlog.refused(notice, self._clock.now()):
            self._announce_dropped(notice.event, "refused", 1)

    def _deadline(self, now: float) -> float | None:
        """When something may be tried that may not be tried now."""
        moments = [endpoint.retry_at for event, endpoint in self._endpoints.items() if not self._under_way[event]]
        due = [moment for moment in (*moments, self._backlog.deadline()) if moment is not None and moment > now]
        return min(due, default=None) if len(self._backlog) else None

    def _set_timer(self, moment: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if moment is not None:
            delay = max(0.0, moment - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._go_on)

    def _announce_dropped(self, event: str, reason: str, count: int) -> None:
        self._hooks.announce(events.NoticesDropped(event, reason, count))
