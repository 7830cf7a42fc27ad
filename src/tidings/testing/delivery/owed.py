"""What a client was owed in a stay, and did not get.

What the client could rely on follows from two things that can be known, never from how two clocks compare closely:

Places
    In a channel with history, whoever got offset 9, and was subscribed at 5, was owed 6, 7 and 8.
Calls
    A call of publish that began after the stay did, and was acknowledged before the stay was surely over, was owed.
    "Surely over" is the end of the history; for a subscription that ended `Rules.slack` before it. After a broken
    connection from which the client did not come back, and before a told gap, only that is owed which was acknowledged
    before the call began of something that did arrive: a client may learn late that its line is dead.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

from tidings.testing.delivery.publications import Outcome, Publication
from tidings.testing.delivery.records import Delivered
from tidings.testing.delivery.rules import Rules
from tidings.testing.delivery.run import Run
from tidings.testing.delivery.stays import End, Stay


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that was owed in a stay and did not arrive: a publication, or an offset of which nobody knows whose."""

    stay: Stay
    publication: Publication | None
    offset: int
    """Its place, 0 where nobody knows."""

    @property
    def after(self) -> Delivered | None:
        """What did arrive from the next later place, if the place is known."""
        offsets = self.stay.offsets
        following = min((each for each in offsets if each > self.offset), default=0) if self.offset else 0
        return offsets.get(following)


def missing(stay: Stay, run: Run, rules: Rules) -> Iterator[Missing]:
    """What was owed and did not arrive, each publication once."""
    has_history = rules.of(stay.channel).history
    by_place = {each.id: offset for offset, each in _missing_places(stay, run)} if has_history else {}
    yield from (Missing(stay, run.publications[id], offset) for id, offset in by_place.items())
    limit = over(stay, run, rules)
    reached = stay.reached if has_history else -math.inf
    for publication in _between(run, stay, max(limit, reached)):
        owed = publication.decided <= limit or publication.decided < reached
        if owed and publication.id not in stay.ids and publication.id not in by_place:
            yield Missing(stay, publication, publication.position.offset if publication.position is not None else 0)
    if has_history and (offset := _hole(stay, run)) is not None:
        yield Missing(stay, None, offset)


def over(stay: Stay, run: Run, rules: Rules) -> float:
    """Until when the stay surely lasted, as far as time alone can tell."""
    match stay.end:
        case End.OPEN:
            return run.end - rules.settle
        case End.LEFT:
            return stay.ended - rules.slack
        case End.AWAY if not rules.of(stay.channel).history:
            return stay.ended - rules.slack
        case _:
            return -math.inf


def unheard(stay: Stay, run: Run, *, until: float) -> Iterator[Publication]:
    """What was acknowledged between the beginning of the stay and some time, and did not arrive in it."""
    for publication in _between(run, stay, until):
        if publication.decided <= until and publication.id not in stay.ids:
            yield publication


def _between(run: Run, stay: Stay, until: float) -> Iterator[Publication]:
    """The acknowledged publications whose calls began within the stay, up to some time."""
    publications = run.acknowledged_in.get(stay.channel, ())
    for index in range(bisect_right(publications, stay.start, key=attrgetter("invoked")), len(publications)):
        if publications[index].invoked > until:
            return
        yield publications[index]


def _missing_places(stay: Stay, run: Run) -> Iterator[tuple[int, Publication]]:
    """Publications that are known to stand before something that arrived."""
    within = _within(stay)
    if not within:
        return
    for offset, id in run.places.stream(stay.channel, stay.epoch).items():
        publication = run.publications.get(id)
        if publication is None or publication.outcome is Outcome.FAILED or id in stay.ids:
            continue
        if offset in within:
            yield offset, publication


def _hole(stay: Stay, run: Run) -> int | None:
    """The first offset before something that arrived of which nobody knows what stands there."""
    known = run.places.stream(stay.channel, stay.epoch)
    return next((offset for offset in _within(stay) if offset not in stay.offsets and offset not in known), None)


def _within(stay: Stay) -> range:
    """The places between the beginning of the stay and the last that arrived; none if all of them are filled."""
    base, top = stay.base, max(stay.offsets, default=0)
    filled = sum(offset > base for offset in stay.offsets)
    return range(0) if stay.untold is not None or top - base <= filled else range(base + 1, top)
