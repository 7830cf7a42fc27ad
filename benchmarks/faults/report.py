"""The loss table: what the rounds of each path came to, with the range where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.faults.outcome import Outcome
from benchmarks.faults.paths import Path
from benchmarks.report import Table

COLUMNS = [
    "path",
    "accepted",
    "raised",
    "accepted, never delivered",
    "of these told to the client",
    "duplicates",
    "first delivery after the restart",
]


def table(paths: Sequence[Path], outcomes: Mapping[str, list[Outcome]]) -> Table:
    rows = [row(path.title, outcomes[path.key]) for path in paths if outcomes.get(path.key)]
    return Table("Redis killed and restarted", COLUMNS, rows)


def row(title: str, rounds: Sequence[Outcome]) -> list[str]:
    return [
        title,
        spread(each.accepted for each in rounds),
        spread(each.refused for each in rounds),
        spread(each.lost for each in rounds),
        spread(each.told for each in rounds),
        spread(each.duplicates for each in rounds),
        lateness([each.late for each in rounds]),
    ]


def spread(values: Iterable[int]) -> str:
    """One figure where all rounds agree, else from the lowest to the highest."""
    low, *_, high = ordered if len(ordered := sorted(values)) > 1 else ordered * 2
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def lateness(values: Sequence[float | None]) -> str:
    came = sorted(value for value in values if value is not None)
    if not came:
        return "never"
    low, high = f"{came[0]:.2f}", f"{came[-1]:.2f}"
    known = f"{low} s" if low == high else f"{low} to {high} s"
    return known if len(came) == len(values) else f"{known}, or never"


def notes(paths: Sequence[Path], outcomes: Mapping[str, list[Outcome]]) -> list[str]:
    """What the table does not say: what was raised, what arrived though it had raised, the checker's verdicts."""
    lines = []
    for path in paths:
        rounds = outcomes.get(path.key, [])
        reasons: dict[str, int] = {}
        for each in rounds:
            for why, count in each.reasons.items():
                reasons[why] = reasons.get(why, 0) + count
        if reasons:
            most = sorted(reasons.items(), key=lambda item: -item[1])[:3]
            told = "; ".join(f"{count:,} × `{why}`" for why, count in most)
            lines.append(f"{path.title}: raised in all rounds {told}.")
        if revealed := sum(each.revealed for each in rounds):
            lines.append(f"{path.title}: {revealed:,} that raised arrived all the same.")
        verdicts = [each.verdict for each in rounds if each.verdict]
        if verdicts:
            kept = verdicts.count("kept")
            lines.append(
                f"{path.title}: the delivery checker found every promise kept in {kept} of {len(verdicts)} rounds."
            )
            lines += [verdict for verdict in verdicts if verdict != "kept"]
    return lines
