"""3. Nothing twice: a client gets each publication of a channel at most once, unless the rules say `may_repeat`.

Whatever way it came, live or recovered; what a client fetches from the history by itself does not count. An unknown
publication may arrive, and then it, too, arrives once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidings.testing.delivery.invariants import promises
from tidings.testing.delivery.invariants.violation import Invariant, Violation, first
from tidings.testing.delivery.records import Delivered
from tidings.testing.delivery.rules import Rules
from tidings.testing.delivery.run import Run


def duplicates(run: Run, rules: Rules) -> Violation | None:
    """The first publication that somebody got again."""
    return first(_of(deliveries, rules) for deliveries in run.received.values())


def repetitions(deliveries: Sequence[Delivered]) -> Iterator[tuple[Delivered, Delivered]]:
    """What arrived again, after what."""
    seen: dict[str, Delivered] = {}
    for delivery in deliveries:
        if delivery.id in seen:
            yield seen[delivery.id], delivery
        elif delivery.id:
            seen[delivery.id] = delivery


def _of(deliveries: Sequence[Delivered], rules: Rules) -> Violation | None:
    for before, again in repetitions(deliveries):
        if rules.of(again.channel).may_repeat:
            return None
        return Violation(
            invariant=Invariant.DUPLICATES,
            promise=promises.of_channel(rules.of(again.channel)),
            what=f"{again.client} got {again.id} of {again.channel} at {before.at:.3f} ({before.how.value}) and again "
            f"at {again.at:.3f} ({again.how.value})",
            at=again.at,
            record=again,
            client=again.client,
            channel=again.channel,
            publication=again.id,
        )
    return None
