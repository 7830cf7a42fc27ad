"""Whether somebody is subscribed on any node: what nodes say, in whichever order they are asked."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack

from tidings.gateway.webhooks.occupancy import SHORTEST, Claim, Occupancy, Occupied, letter, others

pytestmark = pytest.mark.core

DEBOUNCE = 1.0


class Cluster:
    """Some nodes, a channel, and what was said of it. Asking takes as long as the test likes."""

    def __init__(self, *names: str) -> None:
        self.now = 0.0
        self.nodes = {name: Occupancy(name, DEBOUNCE) for name in names}
        self.here = dict.fromkeys(names, 0)
        self.asking: dict[str, tuple[list[Claim], dict[str, bytes]]] = {}
        self.said: list[Occupied] = []

    def come(self, name: str) -> None:
        self.here[name] += 1
        self.nodes[name].subscribed("a", self.now)

    def go(self, name: str) -> None:
        if self.here[name]:
            self.here[name] -= 1
            self.nodes[name].unsubscribed("a", self.now)

    def ask(self, name: str) -> None:
        """Begin to ask, unless the node does already: every node answers at once, and the answers are under way."""
        if name not in self.asking and (claims := self.nodes[name].begin(self.now, 10)):
            asked = letter(name, claims)
            self.asking[name] = claims, {other: node.answer(asked, self.now) for other, node in self.nodes.items()}

    def hear(self, name: str) -> None:
        """The answers arrive."""
        if name in self.asking:
            claims, answers = self.asking.pop(name)
            if said := self.nodes[name].conclude(claims, others(answers, name), self.now):
                self.said += [claim.what for claim in said]
                for node in self.nodes.values():
                    node.hear(letter(name, said), self.now)

    def wait(self) -> None:
        self.now += DEBOUNCE

    def settle(self) -> None:
        """Let everybody say what is left to be said."""
        for _ in range(4):
            self.wait()
            for name in self.nodes:
                self.hear(name)
                self.ask(name)
                self.hear(name)


def test_alone() -> None:
    cluster = Cluster("a")
    cluster.come("a")
    cluster.ask("a")
    assert cluster.asking == {}, "it has not lasted yet"
    cluster.settle()
    cluster.come("a")
    cluster.go("a")
    cluster.settle()
    assert cluster.said == [Occupied.OCCUPIED]
    cluster.go("a")
    cluster.settle()
    assert cluster.said == [Occupied.OCCUPIED, Occupied.VACATED]
    assert len(cluster.nodes["a"]) == 0


def test_what_does_not_last_is_not_said() -> None:
    cluster = Cluster("a")
    cluster.come("a")
    cluster.go("a")
    cluster.settle()
    assert cluster.said == []


def test_the_deadline_is_that_of_the_oldest_claim() -> None:
    node = Occupancy("a", DEBOUNCE)
    assert node.deadline() is None
    node.subscribed("x", 5.0)
    node.subscribed("y", 6.0)
    assert node.deadline() == 6.0


def test_what_is_put_off_holds_nothing_up() -> None:
    """Without a debounce a claim that was put off is due after one that came later."""
    node = Occupancy("b", 0.0)
    node.subscribed("x", 5.0)
    claims = node.begin(5.0, 10)
    node.conclude(claims, [msgpack.encode(["mine"])], 5.0)
    node.subscribed("y", 5.1)
    assert node.deadline() == 5.1
    assert [claim.channel for claim in node.begin(5.1, 10)] == ["y"]
    assert {claim.channel for claim in node.begin(5.0 + SHORTEST, 10)} == {"x", "y"}


def test_at_most_so_many_are_asked_about_at_a_time() -> None:
    """Those that waited longest; when the node stops, also those whose time has not come."""
    node = Occupancy("a", DEBOUNCE)
    for number in range(5):
        node.subscribed(f"c{number}", float(number))
    assert [claim.channel for claim in node.begin(9.0, 3)] == ["c0", "c1", "c2"]
    assert [claim.channel for claim in node.begin(3.0, 9)] == ["c0", "c1", "c2"]
    assert len(node.begin(0.0, 9, at_once=True)) == 5


def pace(pending: int) -> float:
    """Seconds for one channel that is due while so many others are pending; the best of many."""
    node, best = Occupancy("a", DEBOUNCE), 1.0
    for number in range(pending + 200):
        node.subscribed(f"c{number}", number / pending)
        if number >= pending:
            now, began = number / pending, time.perf_counter()
            node.deadline()
            node.conclude(node.begin(now, 10), [], now)
            best = min(best, time.perf_counter() - began)
    return best


def test_a_channel_costs_the_same_however_many_are_pending() -> None:
    """A queue gives 2, looking through them all gave 100."""
    assert pace(10_000) < 20 * pace(50)


def test_the_lower_id_says_it() -> None:
    """When two nodes ask at the same moment."""
    cluster = Cluster("a", "b")
    cluster.come("a")
    cluster.come("b")
    cluster.wait()
    cluster.ask("b")
    cluster.ask("a")
    cluster.hear("b")
    assert cluster.said == []
    cluster.hear("a")
    assert cluster.said == [Occupied.OCCUPIED]


def test_the_lower_id_says_it_later() -> None:
    """When the other one has asked before."""
    cluster = Cluster("a", "b")
    cluster.come("b")
    cluster.come("a")
    cluster.wait()
    cluster.ask("b")
    cluster.hear("b")
    assert cluster.said == []
    cluster.settle()
    assert cluster.said == [Occupied.OCCUPIED]
    cluster.go("b")
    cluster.go("a")
    cluster.wait()
    cluster.ask("b")
    cluster.hear("b")
    cluster.settle()
    assert cluster.said == [Occupied.OCCUPIED, Occupied.VACATED]


def test_a_subscriber_that_leaves_during_the_question_was_there() -> None:
    """Another node may have left it to this one already."""
    cluster = Cluster("a", "b")
    cluster.come("a")
    cluster.come("b")
    cluster.wait()
    cluster.ask("a")
    cluster.go("a")
    cluster.hear("a")
    cluster.settle()
    assert cluster.said == [Occupied.OCCUPIED]


def test_a_question_that_could_not_be_asked_is_asked_again() -> None:
    node = Occupancy("a", DEBOUNCE)
    node.subscribed("x", 0.0)
    (claim,) = node.begin(1.0, 10)
    assert node.begin(1.0, 10) == [claim]


def test_who_is_asked_about_the_end_takes_the_channel_over() -> None:
    """Its own first subscriber is not told of then: for everybody outside the channel was occupied all the time."""
    cluster = Cluster("a", "b")
    cluster.come("a")
    cluster.settle()
    cluster.come("b")
    cluster.go("a")
    cluster.wait()
    cluster.ask("a")
    cluster.hear("a")
    cluster.settle()
    assert cluster.said == [Occupied.OCCUPIED]
    cluster.go("b")
    cluster.settle()
    assert cluster.said == [Occupied.OCCUPIED, Occupied.VACATED]


def test_a_node_that_does_not_answer_counts_as_gone() -> None:
    node = Occupancy("a", DEBOUNCE)
    node.subscribed("x", 0.0)
    claims = node.begin(1.0, 10)
    assert node.conclude(claims, [], 1.0) == claims


steps = st.lists(
    st.tuples(st.sampled_from(["come", "go", "ask", "hear", "wait"]), st.sampled_from(["a", "b", "c"])), max_size=60
)


@settings(max_examples=200)
@given(steps)
def test_what_is_said_is_true_at_last(told: list[tuple[str, str]]) -> None:
    """However nodes come, go and ask: the last word is right, and nothing ends that has not begun."""
    cluster = Cluster("a", "b", "c")
    for step, name in told:
        getattr(cluster, step)(*([] if step == "wait" else [name]))
    cluster.settle()
    somebody = any(cluster.here.values())
    last = cluster.said[-1] if cluster.said else Occupied.VACATED
    assert last is (Occupied.OCCUPIED if somebody else Occupied.VACATED)
    for before, after in zip([Occupied.VACATED, *cluster.said], cluster.said, strict=False):
        assert before is not after, cluster.said
