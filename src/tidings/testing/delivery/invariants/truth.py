"""5. Nothing that was not published so: no invention, no altered payload, no place in a stream that is used twice.

What is delivered was published before, in that channel and with that payload. What failed is not delivered; what is
unknown may be. Within an epoch an offset belongs to one publication and a publication to one offset, whoever says so:
an acknowledgement, a delivery, or what somebody reads in the history. Offsets only grow: a call that began after
another one had returned gets the larger one, otherwise the stream went back.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidings.testing.delivery.invariants import promises
from tidings.testing.delivery.invariants.violation import Invariant, Violation, first
from tidings.testing.delivery.publications import Outcome, Publication
from tidings.testing.delivery.records import Delivered, PublishOk
from tidings.testing.delivery.rules import Rules
from tidings.testing.delivery.run import Run


def truth(run: Run, rules: Rules) -> Violation | None:
    """The first delivery of something that was not published, or not so."""
    conflicts = [*run.places.conflicts, *run.places.returns]
    return first([next(_untrue(run), None), *(_of_conflict(*conflict, run) for conflict in conflicts)])


def _untrue(run: Run) -> Iterator[Violation]:
    published = run.publications
    for delivery in run.deliveries:
        publication = published.get(delivery.id)
        if (
            publication is None
            or publication.channel != delivery.channel
            or publication.data != delivery.data
            or publication.outcome is Outcome.FAILED
            or publication.invoked > delivery.at
        ):
            yield _violation(delivery, delivery.client, delivery.channel, _complaint(delivery, publication))


def _complaint(delivery: Delivered, publication: Publication | None) -> str:
    got = f"{delivery.client} got {delivery.id or 'a payload without an id'}"
    if publication is None:
        return f"{got} in {delivery.channel}, which nobody published: {delivery.data}"
    if publication.channel != delivery.channel:
        return f"{got} in {delivery.channel}, though it was published in {publication.channel}"
    if publication.data != delivery.data:
        return f"{got} of {delivery.channel} as {delivery.data}, and it was published as {publication.data}"
    if publication.outcome is Outcome.FAILED:
        return f"{got} of {delivery.channel}, though its publisher was told that it failed"
    return f"{got} of {delivery.channel} at {delivery.at:.3f}, before it was published at {publication.invoked:.3f}"


def _of_conflict(record: PublishOk | Delivered, complaint: str, run: Run) -> Violation:
    if isinstance(record, Delivered):
        what = f"{record.client} got {record.id} of {record.channel} at offset {record.offset}: {complaint}"
        return _violation(record, record.client, record.channel, what, promise=promises.STREAM)
    channel = run.publications[record.id].channel
    what = f"{record.id} of {channel} was acknowledged, and {complaint}"
    return _violation(record, "", channel, what, promise=promises.STREAM)


def _violation(
    record: PublishOk | Delivered, client: str, channel: str, what: str, *, promise: str = promises.PUBLISH
) -> Violation:
    return Violation(
        invariant=Invariant.TRUTH,
        promise=promise,
        what=what,
        at=record.at,
        record=record,
        client=client,
        channel=channel,
        publication=record.id,
    )
