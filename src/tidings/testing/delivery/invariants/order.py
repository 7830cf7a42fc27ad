"""2. In order: by offset within an epoch, and without offsets as each publisher published.

Without offsets two publications have an order only when one publisher's call for the second began after its call for
the first had returned. What arrives a second time is the business of the third invariant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tidings.testing.delivery.invariants import promises
from tidings.testing.delivery.invariants.violation import Invariant, Violation, first
from tidings.testing.delivery.publications import Outcome
from tidings.testing.delivery.records import Delivered
from tidings.testing.delivery.rules import Rules
from tidings.testing.delivery.run import Run


def order(run: Run, rules: Rules) -> Violation | None:
    """The first publication that arrived after one which should have come later."""
    return first(next(_late(deliveries, run, rules), None) for deliveries in run.received.values())


def _late(deliveries: Sequence[Delivered], run: Run, rules: Rules) -> Iterator[Violation]:
    seen: set[str] = set()
    tops: dict[str, Delivered] = {}
    """By epoch."""
    newest: dict[str, tuple[float, Delivered]] = {}
    """By publisher: whose call began last."""
    for delivery in deliveries:
        if delivery.id in seen:
            continue
        seen.add(delivery.id)
        if delivery.offset:
            top = tops.setdefault(delivery.epoch, delivery)
            if delivery.offset > top.offset:
                tops[delivery.epoch] = delivery
            # In a known epoch two at one place are the business of the fifth invariant.
            elif delivery.offset < top.offset or not (delivery.epoch or delivery is top):
                yield _violation(delivery, top, f"offset {delivery.offset} after offset {top.offset}", rules)
        elif (publication := run.publications.get(delivery.id)) is not None:
            invoked, later = newest.get(publication.publisher, (-math.inf, delivery))
            if publication.outcome is Outcome.OK and publication.decided < invoked:
                how = f"{publication.publisher} published {delivery.id} before {later.id}"
                yield _violation(delivery, later, how, rules)
            elif publication.invoked > invoked:
                newest[publication.publisher] = publication.invoked, delivery


def _violation(late: Delivered, earlier: Delivered, how: str, rules: Rules) -> Violation:
    return Violation(
        invariant=Invariant.ORDER,
        promise=promises.of_channel(rules.of(late.channel)),
        what=f"{late.client} got {late.id} of {late.channel} after {earlier.id}: {how}",
        at=late.at,
        record=late,
        client=late.client,
        channel=late.channel,
        publication=late.id,
    )
