"""4. Nothing to whom it is not allowed: only to who is subscribed, and only who may be is.

A client gets publications of a channel between the answer to its subscription and the subscription's end, and not a
moment later: both are told on the same connection as the publications. Who reads the history needs no subscription.
"""

from __future__ import annotations

from functools import cache

from tidings.testing.delivery.invariants import promises
from tidings.testing.delivery.invariants.violation import Invariant, Violation, first
from tidings.testing.delivery.records import Delivered, Disconnected, How, Subscribed, Unsubscribed
from tidings.testing.delivery.rules import Rules
from tidings.testing.delivery.run import Run
from tidings.testing.delivery.stays import View


def permission(run: Run, rules: Rules) -> Violation | None:
    """The first subscription or publication that somebody should not have got."""
    return first(_of(view, rules, channel) for (_, channel), view in run.views.items())


def _of(view: View, rules: Rules, channel: str) -> Violation | None:
    allows = cache(lambda user: _allows(rules, channel, user))
    is_subscribed, why_not = False, "was never subscribed to it"
    for record in view:
        match record:
            case Delivered(how=how):
                if not allows(record.user):
                    return _violation(record, f"and user {record.user!r} may not listen to it")
                if not is_subscribed and how is not How.HISTORY:
                    return _violation(record, f"and {why_not}")
            case Subscribed():
                if not allows(record.user):
                    return _violation(record, f"and user {record.user!r} may not listen to it")
                is_subscribed = True
            case Unsubscribed() | Disconnected() if is_subscribed:
                what = "subscription" if isinstance(record, Unsubscribed) else "connection"
                is_subscribed, why_not = False, f"its {what} had ended at {record.at:.3f}"
    return None


def _allows(rules: Rules, channel: str, user: str) -> bool:
    """Channels in which nothing happened need no rules."""
    found = rules.find(channel)
    return found is None or found.allows(user, channel)


def _violation(record: Delivered | Subscribed, why: str) -> Violation:
    id = record.id if isinstance(record, Delivered) else ""
    did = f"got {id or 'a payload without an id'} of" if isinstance(record, Delivered) else "was subscribed to"
    return Violation(
        invariant=Invariant.PERMISSION,
        promise=promises.PERMISSION,
        what=f"{record.client} {did} {record.channel} at {record.at:.3f}, {why}",
        at=record.at,
        record=record,
        client=record.client,
        channel=record.channel,
        publication=id,
    )
