"""The toxics on a proxy: their names, their order, and whom they strike."""

from __future__ import annotations

import pytest

from tidings.testing.faults import Bandwidth, Direction, FaultError, Latency
from tidings.testing.faults.applied import AppliedToxics
from tidings.testing.faults.link import Link

pytestmark = pytest.mark.core


@pytest.fixture
def toxics() -> AppliedToxics:
    no_links: set[Link] = set()
    return AppliedToxics(no_links, seed=0)


def test_they_are_kept_in_their_order_under_toxiproxys_names(toxics: AppliedToxics):
    first = toxics.add(Latency(latency_ms=1), Direction.UPSTREAM, toxicity=1.0, name="")
    second = toxics.add(Bandwidth(rate_kb=1), Direction.DOWNSTREAM, toxicity=0.5, name="narrow")
    assert toxics.all() == (first, second)
    assert [applied.name for applied in toxics.all()] == ["latency_upstream", "narrow"]


def test_one_that_is_removed_makes_room_for_another_of_its_name(toxics: AppliedToxics):
    first = toxics.add(Latency(latency_ms=1), Direction.UPSTREAM, toxicity=1.0, name="a")
    with pytest.raises(FaultError, match="has a toxic a already; remove that first, or name this one"):
        toxics.add(Latency(latency_ms=1), Direction.UPSTREAM, toxicity=1.0, name="a")
    first.remove()
    with toxics.add(Latency(latency_ms=2), Direction.UPSTREAM, toxicity=1.0, name="a") as second:
        first.remove()
        assert toxics.all() == (second,)
    assert toxics.all() == ()


def test_one_that_is_changed_keeps_its_place(toxics: AppliedToxics):
    first = toxics.add(Latency(latency_ms=1), Direction.UPSTREAM, toxicity=1.0, name="")
    second = toxics.add(Bandwidth(rate_kb=1), Direction.UPSTREAM, toxicity=1.0, name="")
    first.change(Latency(latency_ms=3), toxicity=0.25)
    assert toxics.all() == (first, second)
    assert (first.toxic, first.toxicity) == (Latency(latency_ms=3), 0.25)


@pytest.mark.parametrize("toxicity", [-0.1, 1.1])
def test_a_toxicity_that_is_no_share_changes_nothing(toxics: AppliedToxics, toxicity: float):
    with pytest.raises(ValueError, match=f"a share of the connections from 0 to 1, not {toxicity}"):
        toxics.add(Latency(latency_ms=1), Direction.UPSTREAM, toxicity=toxicity, name="")
    assert toxics.all() == ()
    applied = toxics.add(Latency(latency_ms=1), Direction.UPSTREAM, toxicity=1.0, name="")
    with pytest.raises(ValueError, match="a share of the connections"):
        applied.change(Latency(latency_ms=2), toxicity=toxicity)
    assert applied.toxic == Latency(latency_ms=1)
