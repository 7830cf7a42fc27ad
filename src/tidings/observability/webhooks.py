"""What is counted about the application's endpoints.

Events and outcomes are those of `tidings.gateway.webhooks`, so every label has few values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidings import events
from tidings.events import Fact
from tidings.observability.measures import Measures


class WebhookCounts:
    """A part of `Metrics`: `facts` says which method counts which fact."""

    def __init__(self, measures: Measures) -> None:
        self._calls = measures.counter("tidings_webhook_calls", "Calls of endpoints.", "event", "outcome")
        self._lasting = measures.histogram("tidings_webhook_duration_seconds", "From call to answer.", "event")
        self._under_way = measures.gauge("tidings_webhook_calls_under_way", "Calls not answered yet.", "event")
        self._away = measures.gauge("tidings_webhook_away", "Whether an endpoint is left alone.", "event")
        self._queue = measures.gauge("tidings_webhook_queue_length", "Notices that have not arrived.", "event")
        self._dropped = measures.counter("tidings_webhook_dropped", "Notices given up.", "event", "reason")
        self._age = measures.histogram("tidings_webhook_age_seconds", "From what happened to its arrival.", "event")
        self.facts: Mapping[type[Fact], Callable[[Any], None]] = {
            events.WebhookBegan: self._began,
            events.WebhookEnded: self._ended,
            events.WebhookSpared: self._spared,
            events.WebhookAway: self._left_alone,
            events.WebhookResumed: self._resumed,
            events.NoticeQueued: self._queued,
            events.NoticeDelivered: self._delivered,
            events.NoticesDropped: self._gave_up,
        }

    def _began(self, fact: events.WebhookBegan) -> None:
        self._under_way.add(1, fact.event)

    def _ended(self, fact: events.WebhookEnded) -> None:
        self._under_way.add(-1, fact.event)
        self._calls.add(1, fact.event, fact.outcome)
        self._lasting.observe(fact.lasted, fact.event)

    def _spared(self, fact: events.WebhookSpared) -> None:
        self._calls.add(1, fact.event, fact.outcome)

    def _left_alone(self, fact: events.WebhookAway) -> None:
        self._away.add(1, fact.event)

    def _resumed(self, fact: events.WebhookResumed) -> None:
        self._away.add(-1, fact.event)

    def _queued(self, fact: events.NoticeQueued) -> None:
        self._queue.add(1, fact.event)

    def _delivered(self, fact: events.NoticeDelivered) -> None:
        self._queue.add(-1, fact.event)
        self._age.observe(fact.age, fact.event)

    def _gave_up(self, fact: events.NoticesDropped) -> None:
        self._queue.add(-fact.count, fact.event)
        self._dropped.add(fact.count, fact.event, fact.reason)
