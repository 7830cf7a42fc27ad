"""What is shown of a run: the events around a broken promise, and what became of the publications of each channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tidings.model import StreamPosition
from tidings.testing.delivery.accounts import Account
from tidings.testing.delivery.invariants import Invariant, Violation
from tidings.testing.delivery.records import (
    AnyRecord,
    Connected,
    Delivered,
    Disconnected,
    FaultInjected,
    GapTold,
    PresenceSeen,
    PublishFailed,
    PublishInvoked,
    PublishOk,
    PublishUnknown,
    Subscribed,
    Unsubscribed,
)
from tidings.testing.delivery.run import Run

AROUND = 10
"""Events before and after the one at which a promise broke."""

COMINGS = 4
"""Farther events, before and after, at which the client came or went."""

WIDEST = 100
"""Characters of an event that are shown."""


def around(violation: Violation, run: Run) -> list[str]:
    """The events near it that have to do with it, in the order of time, itself marked by ">".

    Beyond these, after "...", stands when the client came and went.
    """
    records = run.records
    middle = next((place for place, each in enumerate(records) if each is violation.record), len(records))
    before = _nearest(reversed(records[:middle]), violation, run)
    here = [f">{line(records[middle])[1:]}"] if middle < len(records) else []
    after = _nearest(records[middle + 1 :], violation, run)
    return [*reversed(before), *here, *after]


def _nearest(records: Iterable[AnyRecord], violation: Violation, run: Run) -> list[str]:
    """Events as lines, from the nearest to the farthest."""
    near: list[str] = []
    far: list[str] = []
    for record in records:
        if len(far) == COMINGS:
            break
        if len(near) < AROUND:
            near += [line(record)] * concerns(record, violation, run)
        elif isinstance(record, Connected | Disconnected | Subscribed | Unsubscribed | GapTold | FaultInjected):
            far += [line(record)] * concerns(record, violation, run)
    return [*near, *(["        ..."] if far else []), *far]


def concerns(record: AnyRecord, violation: Violation, run: Run) -> bool:
    """Whether somebody who looks into a violation wants to see this event."""
    match record:
        case FaultInjected():
            return True
        case PublishInvoked():
            return record.id == violation.publication  # Of others it is enough to know how it ended.
        case PublishOk() | PublishFailed() | PublishUnknown():
            return run.publications[record.id].channel == violation.channel or record.id == violation.publication
        case PresenceSeen():
            return violation.invariant is Invariant.PRESENCE and record.channel == violation.channel
        case Delivered():
            same = record.channel == violation.channel and record.client == violation.client
            return same or record.id == violation.publication
        case Connected() | Disconnected():
            return record.client == violation.client or violation.invariant is Invariant.PRESENCE
        case _:
            is_theirs = record.client == violation.client or violation.invariant is Invariant.PRESENCE
            return is_theirs and record.channel == violation.channel


def line(record: AnyRecord) -> str:
    """An event as one line that begins with two spaces and its time."""
    return f"  {record.at:9.3f}  {says(record)}"[:WIDEST]


def says(record: AnyRecord) -> str:
    match record:
        case PublishInvoked():
            return f"{record.publisher:10} publishes {record.id} in {record.channel}"
        case PublishOk():
            return f"{'':10} {record.id} is acknowledged{_place(record.position)}"
        case PublishFailed():
            return f"{'':10} {record.id} has failed{', for now' if record.temporary else ''}"
        case PublishUnknown():
            return f"{'':10} {record.id} has an unknown outcome"
        case Connected():
            return f"{record.client:10} connected as user {record.user!r}, {record.connection}".rstrip(", ")
        case Disconnected():
            return f"{record.client:10} disconnected, code {record.code}"
        case Subscribed():
            answer = {None: "", True: ", recovered", False: ", not recovered"}[record.recovered]
            return f"{record.client:10} subscribed to {record.channel}{answer}{_place(record.position)}"
        case Unsubscribed():
            return f"{record.client:10} unsubscribed from {record.channel}, code {record.code}"
        case Delivered():
            offset = f" at {record.offset}" if record.offset else ""
            return f"{record.client:10} got {record.id} of {record.channel}{offset} ({record.how.value})"
        case GapTold():
            return f"{record.client:10} was told of a gap in {record.channel}"
        case PresenceSeen():
            return f"{'':10} {record.channel} shows {', '.join(record.clients) or 'nobody'}"
        case FaultInjected():
            return f"{'':10} fault: {record.name} {record.target}".rstrip()


def table(accounts: Mapping[str, Account]) -> list[str]:
    """What became of the publications, a line for each channel."""
    head = ("channel", *Account.__struct_fields__)
    rows = [(channel, *map(str, _values(account))) for channel, account in sorted(accounts.items())]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) if not place else cell.rjust(width) for place, (cell, width) in enumerate(zipped))
        for zipped in (list(zip(row, widths, strict=True)) for row in (head, *rows))
    ]


def _values(account: Account) -> Sequence[int]:
    return [getattr(account, name) for name in Account.__struct_fields__]


def _place(position: StreamPosition | None) -> str:
    return f" at {position.offset} of {position.epoch or 'an unnamed epoch'}" if position is not None else ""
