"""What became of the publications of each channel, counted.

What concerns subscribers is counted for each of them: a publication that reached three clients was delivered three
times, and one that two of five missed was lost twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise

from msgspec import Struct

from tidings.testing.delivery.invariants.duplicates import repetitions
from tidings.testing.delivery.owed import missing, unheard
from tidings.testing.delivery.publications import Outcome
from tidings.testing.delivery.rules import Rules
from tidings.testing.delivery.run import Run
from tidings.testing.delivery.stays import End, Stay


class Account(Struct, frozen=True, kw_only=True):
    """The counts of one channel."""

    published: int
    """Calls that began."""

    acknowledged: int
    failed: int
    unknown: int

    delivered: int
    """Live or recovered, repetitions included."""

    told: int
    """Acknowledged, not delivered, and covered by a gap that the client was told of."""

    lost: int
    """Acknowledged, owed, and neither delivered nor told."""

    undecided: int
    """Acknowledged, not delivered, and so near to the end of a subscription that nobody can say whether it was owed."""

    duplicates: int
    """Deliveries of what had been delivered before."""


def accounts(run: Run, rules: Rules) -> Mapping[str, Account]:
    """The counts of each channel in which something was published or delivered.

    Raises `ValueError` if the rules say nothing about one of them.
    """
    channels = {each.channel for each in run.publications.values()} | {each.channel for each in run.deliveries}
    outcomes = Counter((each.channel, each.outcome) for each in run.publications.values())
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for channel in channels:
        rules.of(channel)
    for key in run.views:
        if key[1] in channels:
            seen[key[1]].update(_of_view(key, run, rules))
    return {
        channel: Account(
            published=sum(outcomes[channel, outcome] for outcome in Outcome),
            acknowledged=outcomes[channel, Outcome.OK],
            failed=outcomes[channel, Outcome.FAILED],
            unknown=outcomes[channel, Outcome.UNKNOWN],
            **{name: seen[channel][name] for name in ("delivered", "told", "lost", "undecided", "duplicates")},
        )
        for channel in sorted(channels)
    }


def _of_view(key: tuple[str, str], run: Run, rules: Rules) -> Counter[str]:
    deliveries = run.received[key]
    counts = Counter(delivered=len(deliveries), duplicates=sum(1 for _ in repetitions(deliveries)))
    for stay, following in pairwise([*run.stays[key], None]):
        assert stay is not None
        counts += _of_stay(stay, following, run, rules)
    return counts


def _of_stay(stay: Stay, following: Stay | None, run: Run, rules: Rules) -> Counter[str]:
    lost = {each.publication.id for each in missing(stay, run, rules) if each.publication is not None}
    is_told = stay.end is End.TOLD
    until = min(stay.ended, run.end)
    if is_told:  # The gap reaches to where the client went on.
        until = following.start if following is not None else run.end
    known = lost | following.ids if following is not None else lost
    rest = sum(1 for each in unheard(stay, run, until=until) if each.id not in known)
    return Counter({"lost": len(lost), "told" if is_told else "undecided": rest})
