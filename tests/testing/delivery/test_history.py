"""The history: from any thread, to a file and back, and put together from several processes."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import pytest
from tests.testing.delivery.simulation import RULES, correct

from tidings.clock import ManualClock
from tidings.testing.delivery import Connected, Disconnected, History, check

pytestmark = pytest.mark.core


def test_time_counts_from_the_beginning() -> None:
    clock = ManualClock(1000.0)
    history = History(clock=clock.now)
    clock.advance(2.5)
    assert history.note(lambda at: Connected(at, "ann")) == Connected(2.5, "ann")
    assert list(history) == [Connected(2.5, "ann")]
    assert repr(history) == "<History: 1 records>"


def test_threads_may_share_it() -> None:
    """Nothing is lost, and time does not go back."""
    history = History()

    def note(name: str) -> None:
        for _ in range(500):
            history.note(lambda at: Connected(at, name))

    threads = [threading.Thread(target=note, args=(f"client {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [record.at for record in history]
    assert len(history) == 2000
    assert times == sorted(times)


def test_time_does_not_go_back_for_a_client() -> None:
    history = History([Connected(2.0, "ann")])
    history.add(Connected(1.0, "bob"))
    with pytest.raises(ValueError, match="time goes back for client 'ann'"):
        history.add(Disconnected(1.9, "ann"))
    with pytest.raises(ValueError, match="needs a time in seconds"):
        history.add(Connected(math.nan, "cid"))


def test_it_is_written_and_read(tmp_path: Path) -> None:
    history = correct(1)
    history.save(tmp_path / "run.jsonl")
    again = History.load(tmp_path / "run.jsonl")
    assert again.records() == history.records()
    assert again.origin == history.origin
    assert str(check(again, RULES)) == str(check(history, RULES))


def test_lines_can_be_read_by_people(tmp_path: Path) -> None:
    History([Connected(1.5, "ann", "42")], origin=7.0).save(tmp_path / "run.jsonl")
    assert (tmp_path / "run.jsonl").read_text() == (
        '{"kind":"Began","origin":7.0}\n{"kind":"Connected","at":1.5,"client":"ann","user":"42","connection":""}\n'
    )


@pytest.mark.parametrize("line", ['{"kind":"Nothing","at":1}', "{", '{"kind":"Connected","at":"x","client":"a"}', ""])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(f'{{"kind":"Began","origin":7.0}}\n{line}\n')
    with pytest.raises(ValueError, match=r"line 2 of .*run\.jsonl is not a record of a history"):
        History.load(path)


def test_several_are_put_in_order() -> None:
    """By the clock of the machine, whatever each counts from."""
    first = History([Connected(0.0, "ann"), Disconnected(5.0, "ann")], origin=100.0)
    second = History([Connected(1.0, "bob"), Disconnected(1.5, "bob")], origin=102.0)
    merged = History.merged(second, first)
    assert merged.origin == 100.0
    assert [(record.at, record.client) for record in merged] == [(0.0, "ann"), (3.0, "bob"), (3.5, "bob"), (5.0, "ann")]
