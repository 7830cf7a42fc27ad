"""1. What is acknowledged is delivered, or the client is told of a gap.

Every acknowledged publication of a channel with history reaches everybody who could rely on hearing it; when that is,
stands in `owed`. A client that is told `recovered: true` in another epoch than the one it came from was told wrongly:
nobody can know what it missed. In channels without history a loss is counted and is no violation, unless the rules
say `lossless`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidings.testing.delivery.invariants import promises
from tidings.testing.delivery.invariants.violation import Invariant, Violation, first
from tidings.testing.delivery.owed import Missing, missing
from tidings.testing.delivery.rules import Rules
from tidings.testing.delivery.run import Run
from tidings.testing.delivery.stays import Stay


def delivery(run: Run, rules: Rules) -> Violation | None:
    """The first acknowledged publication that somebody neither got nor was told to have missed."""
    return first(_of(stay, run, rules) for stay in _promised(run, rules))


def _promised(run: Run, rules: Rules) -> Iterator[Stay]:
    """The stays in which nothing may get lost."""
    for (_, channel), found in run.stays.items():
        promised = rules.find(channel)
        if promised is not None and (promised.history or promised.lossless):
            yield from found


def _of(stay: Stay, run: Run, rules: Rules) -> Violation | None:
    return first([_of_epoch(stay, rules), *(_of_missing(each, run, rules) for each in missing(stay, run, rules))])


def _of_epoch(stay: Stay, rules: Rules) -> Violation | None:
    if stay.untold is None or not rules.of(stay.channel).history:
        return None
    return Violation(
        invariant=Invariant.DELIVERY,
        promise=promises.STREAM,
        what=f"{stay.client}, {stay}, came from epoch {stay.epoch!r} into another without being told of a gap",
        at=stay.untold.at,
        record=stay.untold,
        client=stay.client,
        channel=stay.channel,
    )


def _of_missing(missing: Missing, run: Run, rules: Rules) -> Violation:
    stay, publication, after = missing.stay, missing.publication, missing.after
    which = publication.id if publication is not None else f"whatever stands at offset {missing.offset}"
    where = f" (offset {missing.offset})" if missing.offset and publication is not None else ""
    ok = run.acknowledged.get(publication.id) if publication is not None else None
    when = f", acknowledged at {ok.at:.3f}" if ok is not None else ""
    then = f", though {after.id} (offset {after.offset}) did" if after is not None else ""
    record = ok or after
    return Violation(
        invariant=Invariant.DELIVERY,
        promise=promises.of_channel(rules.of(stay.channel)),
        what=f"{which}{where}{when}, never reached {stay.client}, {stay}{then}, and no gap was told",
        at=record.at if record is not None else stay.start,
        record=record,
        client=stay.client,
        channel=stay.channel,
        publication=publication.id if publication is not None else "",
    )
