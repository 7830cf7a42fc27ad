"""What is due when, of a list of faults with times."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.testing.faults.plan import Action, Plan, Span, Step

pytestmark = pytest.mark.core

SPANS = st.lists(st.builds(Span, st.floats(0, 10), st.one_of(st.none(), st.floats(0.01, 10))), max_size=12)


def test_steps_come_when_they_are_due():
    plan = Plan([Span(1.0), Span(0.5, lasting=1.0)])
    assert plan.deadline() == 0.5
    assert plan.due(0.4) == []
    assert plan.due(0.5) == [Step(0.5, Action.BEGIN, 1)]
    assert plan.never_begun() == [0]
    assert plan.due(9.0) == [Step(1.0, Action.BEGIN, 0), Step(1.5, Action.END, 1)]
    assert (plan.deadline(), plan.due(99.0), plan.never_begun()) == (None, [], [])


def test_what_ends_makes_way_for_what_begins():
    plan = Plan([Span(1.0), Span(0.0, lasting=1.0)])
    assert [(step.action, step.index) for step in plan.due(1.0)] == [
        (Action.BEGIN, 1),
        (Action.END, 1),
        (Action.BEGIN, 0),
    ]


@given(SPANS, st.lists(st.floats(0, 25)))
def test_everything_comes_once_and_in_order(spans: list[Span], looks: list[float]):
    """However often, and however late, somebody looks."""
    plan = Plan(spans)
    steps = []
    for elapsed in [*sorted(looks), 25.0]:
        due = plan.due(elapsed)
        assert all(step.at <= elapsed for step in due)
        deadline = plan.deadline()
        assert deadline is None or deadline > elapsed
        steps += due
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    wanted = Counter((Action.BEGIN, index) for index in range(len(spans)))
    wanted.update((Action.END, index) for index, span in enumerate(spans) if span.lasting is not None)
    assert Counter((step.action, step.index) for step in steps) == wanted
    for index in range(len(spans)):
        assert next(step.action for step in steps if step.index == index) is Action.BEGIN


@pytest.mark.parametrize(("begin", "lasting"), [(-1.0, None), (0.0, 0.0), (0.0, -1.0)])
def test_times_that_make_no_sense_are_told(begin: float, lasting: float | None):
    with pytest.raises(ValueError, match="seconds"):
        Span(begin, lasting)
