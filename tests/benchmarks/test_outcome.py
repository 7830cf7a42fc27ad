"""What was published is held against what arrived by ids, and shown with the range of the rounds."""

from __future__ import annotations

import pytest
from benchmarks.faults.outcome import Outcome, judge
from benchmarks.faults.program import Said
from benchmarks.faults.report import lateness, notes, row, spread

pytestmark = pytest.mark.core


def call(id: str, at: float, *, why: str = "") -> list[Said]:
    return [Said(at, "began", id), Said(at + 0.1, "raised" if why else "accepted", id, why)]


def test_what_is_accepted_and_never_arrives_is_lost() -> None:
    """Only accepted ones count, and a gap excuses what was published before the client heard of it."""
    sent = [*call("a", 1.0), *call("b", 2.0), *call("c", 3.0, why="no: sorry"), *call("d", 5.0)]
    heard = [Said(1.2, "got", "a"), Said(4.0, "told")]
    outcome = judge(sent, heard, back=2.5)
    assert (outcome.offered, outcome.accepted, outcome.refused) == (4, 3, 1)
    assert (outcome.lost, outcome.told) == (2, 1)
    assert outcome.late is None
    assert outcome.reasons == {"no: sorry": 1}


def test_what_arrives_twice_or_against_its_word_is_counted() -> None:
    """A repetition is a duplicate, and a call that raised should not have published."""
    sent = [*call("a", 1.0), *call("b", 2.0, why="unknown")]
    heard = [Said(3.0, "got", "a"), Said(3.5, "got", "a"), Said(3.75, "got", "b")]
    outcome = judge(sent, heard, back=2.5)
    assert (outcome.lost, outcome.duplicates, outcome.revealed) == (0, 1, 1)
    assert outcome.late == pytest.approx(0.5)


def test_rounds_that_differ_show_their_range() -> None:
    """One figure where all agree; "never" is not hidden behind a time."""
    assert spread([3, 3]) == "3"
    assert spread([1200, 7]) == "7 to 1,200"
    assert lateness([None, None]) == "never"
    assert lateness([0.5, 0.25]) == "0.25 to 0.50 s"
    assert lateness([0.5, None]) == "0.50 s, or never"


def test_a_row_has_the_columns_of_the_table() -> None:
    """One round is a round as well."""
    outcome = Outcome(10, 8, 2, 3, 1, 0, 0, None)
    assert row("ours", [outcome]) == ["ours", "8", "2", "3", "1", "0", "never"]
    assert notes([], {}) == []
