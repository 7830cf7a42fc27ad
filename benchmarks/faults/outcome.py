"""What became of the publications of one run, counted by their ids. Values in, values out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from benchmarks.faults.program import Said

PORT = re.compile(r"(?<=127\.0\.0\.1):\d+")


class Outcome(msgspec.Struct, frozen=True):
    """One run of one path.

    `lost` are those of `accepted` that never arrived, `told` those of `lost` of which the client was told by a word
    that its protocol has for that. `refused` raised. `revealed` raised, and arrived all the same. `late` is how
    many seconds after Redis was back the first publication arrived, None for never. `verdict` is the delivery
    checker's, "" where it was not asked.
    """

    offered: int
    accepted: int
    refused: int
    lost: int
    told: int
    duplicates: int
    revealed: int
    late: float | None
    verdict: str = ""
    reasons: dict[str, int] = {}


def judge(sent: Iterable[Said], heard: Sequence[Said], back: float, verdict: str = "") -> Outcome:
    """Hold what was published against what arrived. `back` is when Redis answered again."""
    by_what: dict[str, dict[str, Said]] = {"began": {}, "accepted": {}, "raised": {}}
    for each in sent:
        if each.what in by_what:
            by_what[each.what][each.id] = each
    arrivals = Counter(each.id for each in heard if each.what == "got")
    lost = [id for id in by_what["accepted"] if id not in arrivals]
    gaps = [each.at for each in heard if each.what == "told"]
    told = [id for id in lost if gaps and by_what["began"][id].at <= max(gaps)]
    after = [each.at for each in heard if each.what == "got" and each.at >= back]
    return Outcome(
        offered=len(by_what["began"]),
        accepted=len(by_what["accepted"]),
        refused=len(by_what["raised"]),
        lost=len(lost),
        told=len(told),
        duplicates=sum(count - 1 for count in arrivals.values()),
        revealed=sum(id in arrivals for id in by_what["raised"]),
        late=min(after) - back if after else None,
        verdict=verdict,
        reasons=dict(Counter(kind(each.why) for each in by_what["raised"].values())),
    )


def kind(why: str) -> str:
    """The beginning of a reason, without the port that differs from run to run: enough to tell reasons apart."""
    return PORT.sub("", why.partition("\n")[0])[:80].rstrip(" ('")
