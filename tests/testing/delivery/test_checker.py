"""The checker: correct runs pass, hundreds of them, and every break of a promise is found under its right name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.testing.delivery.mutations import MUTATIONS, Story
from tests.testing.delivery.simulation import RULES, correct

from tidings.model import StreamPosition
from tidings.testing.delivery import (
    AnyRecord,
    BadHistory,
    Connected,
    Delivered,
    Disconnected,
    FaultInjected,
    GapTold,
    History,
    How,
    Invariant,
    PresenceSeen,
    PromiseBroken,
    PublishInvoked,
    PublishOk,
    PublishUnknown,
    Subscribed,
    Unsubscribed,
    Verdict,
    check,
)

pytestmark = pytest.mark.core

SEEDS = range(6)


def verdict_on(name: str, seed: int) -> Verdict:
    """What the checker says about a correct run after a mutation."""
    story = Story(correct(seed), seed)
    MUTATIONS[name].break_it(story)
    return check(story.history(), RULES)


# No false alarm.


@pytest.mark.parametrize("seed", range(0, 300, 10))
def test_a_correct_run_is_no_violation(seed: int) -> None:
    """Whatever gets lost with connections, and whatever is told or unknown."""
    for each in range(seed, seed + 10):
        verdict = check(correct(each), RULES)
        assert verdict.is_kept, f"seed {each}\n{verdict}"
        verdict.raise_if_broken()


@given(seed=st.integers(0, 2**32), steps=st.integers(0, 150))
def test_no_correct_run_is_a_violation(seed: int, steps: int) -> None:
    """Short ones and long ones."""
    verdict = check(correct(seed, steps=steps), RULES)
    assert verdict.is_kept, str(verdict)


def test_correct_runs_have_everything_in_them() -> None:
    """Otherwise the tests above would say little: told gaps, losses that are allowed, failures, repetitions."""
    counts = [check(correct(seed), RULES).channels for seed in range(15)]
    for channel, name in [("news", "told"), ("chat", "undecided"), ("news", "failed"), ("chat", "unknown")]:
        assert sum(getattr(each[channel], name) for each in counts), f"{name} in {channel}"
    assert sum(each["inbox"].duplicates for each in counts)
    assert [each["news"].lost + each["tape"].lost + each["inbox"].lost for each in counts] == [0] * len(counts)


# Whatever is in a history.

WHEN, WHO = st.just(0.0), st.sampled_from(["ann", "bob"])
WHERE, ID = st.sampled_from(["news", "chat"]), st.text("pq", max_size=1)
PLACE = st.builds(StreamPosition, st.integers(0, 5), st.sampled_from(["", "e", "f"]))
ANYTHING = st.one_of(
    st.builds(PublishInvoked, WHEN, ID, WHERE, WHO, st.just("x")),
    st.builds(PublishOk, WHEN, ID, st.none() | PLACE),
    st.builds(PublishUnknown, WHEN, ID),
    st.builds(Connected, WHEN, WHO, WHO),
    st.builds(Disconnected, WHEN, WHO, st.sampled_from([3000, 3010])),
    st.builds(Subscribed, WHEN, WHO, WHERE, WHO, st.none() | st.booleans(), st.none() | PLACE),
    st.builds(Unsubscribed, WHEN, WHO, WHERE, st.sampled_from([0, 2500])),
    st.builds(
        Delivered,
        WHEN,
        WHO,
        WHO,
        WHERE,
        ID,
        st.just("x"),
        st.integers(0, 2**64),
        st.sampled_from(["", "e", "f"]),
        st.sampled_from(How),
    ),
    st.builds(GapTold, WHEN, WHO, WHERE),
    st.builds(PresenceSeen, WHEN, WHERE, st.lists(WHO).map(tuple)),
    st.builds(FaultInjected, WHEN, st.just("x")),
)


@given(records=st.lists(ANYTHING), pace=st.sampled_from([0.0, 0.5, 20.0]))
def test_every_history_has_a_verdict(records: list[AnyRecord], pace: float) -> None:
    """Or contradicts itself, and that is told."""
    timed = [replace(record, at=number * pace) for number, record in enumerate(records)]
    try:
        verdict = check(History(timed, origin=0.0), RULES)
    except BadHistory:
        return
    assert verdict.is_kept is (not verdict.broken)
    assert str(verdict)


# Every break is found.


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_promise_is_named(name: str) -> None:
    """The first violation is of the invariant that the mutation is about; where no other can see it, it is the only."""
    mutation = MUTATIONS[name]
    for seed in SEEDS:
        verdict = verdict_on(name, seed)
        found = [each.violation.invariant for each in verdict.broken]
        assert found[:1] == [mutation.invariant], f"seed {seed}\n{verdict}"
        if mutation.alone:
            assert found == [mutation.invariant], f"seed {seed}\n{verdict}"
        with pytest.raises(PromiseBroken):
            verdict.raise_if_broken()


@pytest.mark.parametrize("invariant", Invariant)
def test_no_invariant_can_be_left_out(invariant: Invariant) -> None:
    """Each finds something that no other finds."""
    assert [name for name, each in MUTATIONS.items() if each.invariant is invariant and each.alone]
