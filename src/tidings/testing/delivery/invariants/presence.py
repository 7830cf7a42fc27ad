"""6. Presence converges: who has not come or gone for a lease is shown as they are.

Whenever somebody looks, everybody who was subscribed without a break since a lease before the question is there, and
nobody is there who was not subscribed at any time since. So after the last change and a lease everybody sees the living
set, and before that a change excuses only the one who changed. A fault excuses everybody for a lease.

                         lease before the question         the look, and slack
                                   |                         |
    ann  ------[=========================================================     has to be there
    bob  ------[===============================]---------------------------    may be there
    cid  ------[============]----------------------------------------------    must not be there
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tidings.testing.delivery.invariants import promises
from tidings.testing.delivery.invariants.violation import Invariant, Violation
from tidings.testing.delivery.records import Connected, Disconnected, PresenceSeen, Subscribed, Unsubscribed
from tidings.testing.delivery.rules import Rules
from tidings.testing.delivery.run import Run

Membership = Mapping[str, Mapping[str, "list[Interval]"]]
"""By channel and connection: when it was subscribed."""


@dataclass(slots=True)
class Interval:
    start: float
    end: float = math.inf


def presence(run: Run, rules: Rules) -> Violation | None:
    """The first look that shows a ghost, or misses somebody."""
    membership = _Reader(run).membership
    return next(_wrong(run, rules, membership), None)


def _wrong(run: Run, rules: Rules, membership: Membership) -> Iterator[Violation]:
    for look in run.looks:
        since = (look.at if look.asked is None else look.asked) - rules.lease
        until = look.at + rules.slack
        if any(since <= fault.at <= until for fault in run.faults):
            continue
        members = membership.get(look.channel, {})
        seen = set(look.clients)
        ghosts = {each for each in seen if not any(i.start <= until and i.end >= since for i in members.get(each, ()))}
        must = {
            each for each, intervals in members.items() if any(i.start <= since and i.end > until for i in intervals)
        }
        if ghosts or not must <= seen:
            yield _violation(look, ghosts, must - seen, rules)


def _violation(look: PresenceSeen, ghosts: set[str], absent: set[str], rules: Rules) -> Violation:
    shown = [f"{', '.join(sorted(ghosts))} as present, not subscribed for {rules.lease:g} s" for _ in (1,) if ghosts]
    missed = [f"{', '.join(sorted(absent))} as absent, subscribed for {rules.lease:g} s" for _ in (1,) if absent]
    return Violation(
        invariant=Invariant.PRESENCE,
        promise=promises.PRESENCE,
        what=f"{look.channel} showed {' and '.join([*shown, *missed])}",
        at=look.at,
        record=look,
        channel=look.channel,
        client=min(ghosts | absent),
    )


@dataclass(slots=True)
class _Reader:
    """Reads who came and went."""

    run: Run
    membership: defaultdict[str, defaultdict[str, list[Interval]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    _connections: dict[str, str] = field(default_factory=dict)
    _open: defaultdict[str, dict[str, Interval]] = field(default_factory=lambda: defaultdict(dict))
    """By client and channel."""

    def __post_init__(self) -> None:
        for record in self.run.lifecycle:
            match record:
                case Connected(client=client, connection=connection):
                    self._connections[client] = connection or client
                case Subscribed(client=client, channel=channel):
                    self._begin(client, channel, record.at)
                case Unsubscribed(client=client, channel=channel):
                    self._end(client, channel, record.at)
                case Disconnected(client=client):
                    for channel in list(self._open[client]):
                        self._end(client, channel, record.at)

    def _begin(self, client: str, channel: str, at: float) -> None:
        self._end(client, channel, at)
        interval = self._open[client][channel] = Interval(at)
        self.membership[channel][self._connections.get(client, client)].append(interval)

    def _end(self, client: str, channel: str, at: float) -> None:
        interval = self._open[client].pop(channel, None)
        if interval is not None:
            interval.end = at
