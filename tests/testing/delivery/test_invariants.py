"""The exact border of each invariant, on histories that can be read at a glance."""

from __future__ import annotations

import pytest

from tidings.model import StreamPosition
from tidings.testing.delivery import (
    AnyRecord,
    BadHistory,
    ChannelRules,
    Connected,
    Delivered,
    Disconnected,
    FaultInjected,
    GapTold,
    History,
    How,
    Invariant,
    PresenceSeen,
    PublishFailed,
    PublishInvoked,
    PublishOk,
    PublishUnknown,
    Rules,
    Subscribed,
    Unsubscribed,
    Verdict,
    check,
)

pytestmark = pytest.mark.core

CHANNELS = {
    "kept": ChannelRules(history=True),
    "live": ChannelRules(),
    "tape": ChannelRules(lossless=True),
    "inbox": ChannelRules(history=True, may_repeat=True),
}


def position(offset: int, epoch: str = "e") -> StreamPosition:
    return StreamPosition(offset, epoch)


def published(id: str, begin: float, end: float, channel: str = "kept", by: str = "pat") -> list[AnyRecord]:
    return [PublishInvoked(begin, id, channel, by, id), PublishOk(end, id)]


def got(id: str, at: float, offset: int = 0, channel: str = "", *, epoch: str = "", how: How = How.LIVE) -> Delivered:
    epoch = epoch or ("e" if offset else "")
    return Delivered(at, "ann", "ann", channel or ("kept" if offset else "live"), id, id, offset, epoch, how)


def subscribed(at: float, channel: str = "kept", recovered: bool | None = None, offset: int = 0) -> Subscribed:
    return Subscribed(at, "ann", channel, "ann", recovered, position(offset) if channel == "kept" else None)


def verdict(*parts: AnyRecord | list[AnyRecord], **rules: object) -> Verdict:
    records = [record for part in parts for record in (part if isinstance(part, list) else [part])]
    return check(History(records, origin=0.0), Rules(**{"channels": CHANNELS, **rules}))


def broken(*parts: AnyRecord | list[AnyRecord], **rules: object) -> list[Invariant]:
    return [each.violation.invariant for each in verdict(*parts, **rules).broken]


# 1. Which publications are owed.


def test_what_lies_wholly_inside_is_owed() -> None:
    """From the answer to the subscription to the end of the history."""
    assert broken(subscribed(1), published("a", 1.1, 2)) == [Invariant.DELIVERY]
    assert broken(subscribed(1), published("a", 1.1, 2), got("a", 1.5, 1)) == []


def test_at_the_beginning_it_may_or_may_not_arrive() -> None:
    """A call that was under way when the client subscribed."""
    assert broken(published("a", 0.9, 2), subscribed(1)) == []
    assert broken(published("a", 0.9, 2), subscribed(1), got("a", 1.5, 1)) == []


def test_at_the_beginning_a_place_decides() -> None:
    """Who was subscribed at 0 and got 2 was owed 1, whenever it was published."""
    first = [PublishInvoked(0.5, "a", "kept", "pat", "a"), PublishOk(3, "a", position(1))]
    assert broken(first, subscribed(1), published("b", 3, 4), got("b", 5, 2)) == [Invariant.DELIVERY]
    assert broken(first, subscribed(1, offset=1), published("b", 3, 4), got("b", 5, 2)) == []


def test_a_hole_is_a_loss_though_nobody_knows_of_what() -> None:
    """An offset was passed over."""
    assert broken(subscribed(1), published("b", 3, 4), got("b", 5, 2)) == [Invariant.DELIVERY]


def test_near_the_end_of_a_subscription_it_may_or_may_not_arrive() -> None:
    """`slack` before it, because a client notices later than the server."""
    end = Unsubscribed(10, "ann", "kept")
    assert broken(subscribed(1), published("a", 2, 8.9), end) == [Invariant.DELIVERY]
    assert broken(subscribed(1), published("a", 2, 9.1), end) == []
    assert broken(subscribed(1), published("a", 2, 9.1), end, slack=0.5) == [Invariant.DELIVERY]


def test_at_the_end_of_the_history_nothing_is_forgiven() -> None:
    """Unless the rules say how long things take to settle."""
    assert broken(subscribed(1), published("a", 2, 9)) == [Invariant.DELIVERY]
    assert broken(subscribed(1), published("a", 2, 9), FaultInjected(9.5, "x"), settle=1.0) == []


def test_who_does_not_come_back_is_owed_what_was_before_something_that_arrived() -> None:
    """The line may have been dead for long, but not before that."""
    run = [subscribed(1), *published("a", 2, 3), *published("b", 4, 5), *published("c", 6, 7)]
    assert broken(*run, got("a", 3, 1), got("b", 5, 2), Disconnected(60, "ann", 3012)) == []
    assert broken(*run, got("b", 5, 2), Disconnected(60, "ann", 3012)) == [Invariant.DELIVERY]


def test_who_comes_back_is_owed_what_was_published_meanwhile() -> None:
    run = [subscribed(1), Disconnected(2, "ann"), *published("a", 3, 4), Connected(5, "ann")]
    back = subscribed(5, recovered=True)
    assert broken(*run, back) == [Invariant.DELIVERY]
    assert broken(*run, back, got("a", 5, 1, how=How.RECOVERED)) == []


@pytest.mark.parametrize(
    "told",
    [
        [GapTold(5, "ann", "kept"), subscribed(5, recovered=False, offset=1)],
        [subscribed(5, recovered=False, offset=1), GapTold(5, "ann", "kept")],
        [subscribed(5, recovered=False, offset=1)],
        [subscribed(5, offset=1)],
    ],
)
def test_who_is_told_is_owed_nothing(told: list[AnyRecord]) -> None:
    """In whatever order, and also who reports no position."""
    run = [subscribed(1), Disconnected(2, "ann"), *published("a", 3, 4)]
    assert broken(*run, told) == []
    assert broken(*run, told, published("b", 6, 7)) == [Invariant.DELIVERY]


def test_a_gap_that_is_told_covers_what_did_not_arrive_before_it() -> None:
    """Not what is before something that did."""
    gap = [GapTold(5, "ann", "kept"), Unsubscribed(5, "ann", "kept", 2500), subscribed(6, offset=2)]
    assert broken(subscribed(1), published("a", 2, 3), published("b", 4, 4.5), got("a", 3, 1), gap) == []
    assert broken(subscribed(1), published("a", 2, 3), published("b", 4, 4.5), got("b", 4.5, 2), gap) == [
        Invariant.DELIVERY
    ]


def test_a_gap_that_is_healed_excuses_nothing() -> None:
    """Told 2500, and then `recovered: true`."""
    gap = [GapTold(5, "ann", "kept"), Unsubscribed(5, "ann", "kept", 2500), subscribed(6, recovered=True)]
    assert broken(subscribed(1), published("a", 2, 3), gap) == [Invariant.DELIVERY]


def test_after_a_gap_within_a_subscription_everything_is_owed_again() -> None:
    run = [subscribed(1), *published("a", 2, 3), GapTold(5, "ann", "kept"), *published("b", 6, 7)]
    assert broken(*run) == [Invariant.DELIVERY]
    assert broken(*run, got("b", 7, 2)) == []


def test_without_history_a_loss_is_counted() -> None:
    lost = verdict(subscribed(1, "live"), published("a", 2, 3, "live"))
    assert lost.is_kept
    assert lost.channels["live"].lost == 1
    assert broken(subscribed(1, "tape"), published("a", 2, 3, "tape")) == [Invariant.DELIVERY]


def test_what_is_not_acknowledged_is_not_owed() -> None:
    for outcome in ([], [PublishUnknown(3, "a")], [PublishFailed(3, "a")]):
        assert broken(subscribed(1), PublishInvoked(2, "a", "kept", "pat", "a"), outcome) == []


def test_reading_the_history_is_no_delivery() -> None:
    assert broken(subscribed(1), published("a", 2, 3), got("a", 4, 1, how=How.HISTORY)) == [Invariant.DELIVERY]


def test_recovered_into_another_epoch() -> None:
    """Nobody can know what was missed in the first."""
    back = Subscribed(3, "ann", "kept", "ann", True, position(0, "f"))
    assert broken(subscribed(1), published("a", 1, 1), Disconnected(2, "ann"), back) == [Invariant.DELIVERY]


def test_the_first_epoch_of_a_stream_that_did_not_exist() -> None:
    """It is taken from what arrives first."""
    begin = Subscribed(1, "ann", "kept", "ann", None, StreamPosition(0, ""))
    assert broken(begin, published("a", 2, 3), got("a", 3, 1)) == []


def test_a_first_subscription_may_be_a_recovery() -> None:
    """Its answer names the top of the stream; what comes with it is owed without a hole."""
    calls = [
        record
        for offset, id in enumerate("abcd", 1)
        for record in (PublishInvoked(1, id, "kept", "pat", id), PublishOk(1.5, id, position(offset)))
    ]
    begin = subscribed(2, recovered=True, offset=4)
    came = [got(id, 2, offset, how=How.RECOVERED) for offset, id in enumerate("abcd", 1)]
    assert broken(calls, begin, came) == []
    assert broken(calls, begin, came[0], came[1], came[3]) == [Invariant.DELIVERY]
    assert broken(calls, begin, came[2:]) == []


def test_what_came_with_a_recovery_fills_no_later_hole() -> None:
    begin = subscribed(2, recovered=True, offset=2)
    early = [*published("a", 1, 1), *published("b", 1, 1)]
    late = [*published("c", 3, 9), *published("d", 3, 4)]
    came = [got("a", 2, 1, how=How.RECOVERED), got("b", 2, 2, how=How.RECOVERED)]
    told = [GapTold(8, "ann", "kept"), Unsubscribed(8, "ann", "kept", 2500)]
    assert broken(early, begin, came, late, got("d", 5, 4), told) == [Invariant.DELIVERY]
    assert broken(early, begin, came, late, got("c", 5, 3), got("d", 5, 4), told) == []


def test_another_epoch_that_the_client_takes_for_its_own() -> None:
    """Nothing is lost, and yet its next recovery would be refused: it had to be told."""
    call = [PublishInvoked(2, "a", "kept", "pat", "a"), PublishOk(3, "a", position(1, "f"))]
    assert broken(subscribed(1), call, got("a", 3, 1)) == [Invariant.DELIVERY]
    assert broken(subscribed(1), call, got("a", 3, 1, how=How.HISTORY, epoch="f"), settle=9) == []


# 2. Order.


def test_two_at_one_place_have_no_order() -> None:
    """Where the epoch is not known it is the client's own sight that counts."""
    run = [subscribed(1, "live"), *published("a", 2, 9, "live"), *published("b", 2, 9, "live")]
    first = Delivered(3, "ann", "ann", "live", "a", "a", 5)
    assert broken(*run, first, Delivered(4, "ann", "ann", "live", "b", "b", 5)) == [Invariant.ORDER]
    assert broken(*run, first, Delivered(4, "ann", "ann", "live", "b", "b", 6)) == []


def test_calls_that_overlap_have_no_order() -> None:
    both = [got("b", 9, channel="live"), got("a", 9, channel="live")]
    apart = [*published("a", 2, 3, "live"), *published("b", 4, 5, "live")]
    assert broken(subscribed(1, "live"), apart, both) == [Invariant.ORDER]
    overlapping = [*published("a", 2, 4.5, "live"), *published("b", 4, 5, "live")]
    assert broken(subscribed(1, "live"), overlapping, both) == []


def test_publishers_have_no_order_among_each_other() -> None:
    run = [*published("a", 2, 3, "live", "pat"), *published("b", 4, 5, "live", "pam")]
    assert broken(subscribed(1, "live"), run, got("b", 9, channel="live"), got("a", 9, channel="live")) == []


def test_an_unknown_one_may_come_late() -> None:
    """Nobody knows when the broker took it."""
    unknown = [PublishInvoked(2, "a", "live", "pat", "a"), PublishUnknown(3, "a")]
    run = [subscribed(1, "live"), *unknown, *published("b", 4, 5, "live")]
    assert broken(*run, got("b", 9, channel="live"), got("a", 9, channel="live")) == []


def test_offsets_of_different_epochs_have_no_order() -> None:
    again = Subscribed(5, "ann", "kept", "ann", False, position(0, "f"))
    run = [subscribed(1), *published("a", 2, 3), got("a", 3, 1), again, *published("b", 6, 7)]
    assert broken(*run, got("b", 7, 1, epoch="f")) == []


# 3. Nothing twice.


def test_an_inbox_may_repeat() -> None:
    begin = Subscribed(1, "ann", "inbox", "ann", None, position(0))
    run = [begin, *published("a", 2, 3, "inbox")]
    twice = verdict(*run, got("a", 3, 1, "inbox"), got("a", 4, 1, "inbox"))
    assert twice.is_kept
    assert twice.channels["inbox"].duplicates == 1


# 4. Permission.


def test_reading_the_history_needs_no_subscription() -> None:
    assert broken(published("a", 2, 3), got("a", 4, 1, how=How.HISTORY)) == []


def test_live_before_the_answer_to_the_subscription() -> None:
    run = published("a", 2, 3, "live")
    assert broken(run, got("a", 3), subscribed(3, "live")) == [Invariant.PERMISSION]


# 5. Truth.


def test_an_unknown_one_may_arrive() -> None:
    unknown = [PublishInvoked(2, "a", "live", "pat", "a"), PublishUnknown(3, "a")]
    assert broken(subscribed(1, "live"), unknown, got("a", 4)) == []


def test_offsets_begin_anew_in_another_epoch() -> None:
    run = [*published("a", 2, 3), *published("b", 2, 3)]
    history = [got("a", 4, 1, how=How.HISTORY), got("b", 5, 1, epoch="f", how=How.HISTORY)]
    assert broken(run, history) == []
    assert broken(run, history[0], got("b", 5, 1, how=How.HISTORY)) == [Invariant.TRUTH]


def test_two_acknowledgements_of_one_place() -> None:
    """Nobody needs to have received anything."""
    first, second = (PublishInvoked(1, id, "kept", "pat", id) for id in "ab")
    both = [first, second, PublishOk(2, "a", position(1)), PublishOk(2, "b", position(1))]
    assert broken(both) == [Invariant.TRUTH]
    assert "b of kept was acknowledged, and offset 1 of epoch 'e' belongs to a, too" in str(verdict(both))


def test_offsets_do_not_go_back() -> None:
    """What was acknowledged at 7 has to be there still when a later call gets its place, whoever has 5."""
    first = [PublishInvoked(1, "a", "kept", "pat", "a"), PublishOk(2, "a", position(7))]

    def second(begin: float, epoch: str = "e") -> list[AnyRecord]:
        return [PublishInvoked(begin, "b", "kept", "pam", "b"), PublishOk(4, "b", position(5, epoch))]

    assert broken(first, second(3)) == [Invariant.TRUTH]
    assert "offset 5 of epoch 'e', though offset 7 had been acknowledged" in str(verdict(first, second(3)))
    assert broken(first, second(1.5)) == []
    assert broken(first, second(3, "f")) == []


def test_the_earliest_conflict_is_named() -> None:
    """What clients were shown counts as much as what publishers were told."""
    calls = [PublishInvoked(1, id, "kept", "pat", id) for id in "abcd"]
    shown = [got("a", 2, 1, how=How.HISTORY), got("b", 3, 1, how=How.HISTORY)]
    told = [PublishOk(5, "c", position(2)), PublishOk(6, "d", position(2))]
    assert verdict(calls, shown, told).broken[0].violation.publication == "b"


# 6. Presence.


def here(at: float) -> list[AnyRecord]:
    return [Connected(at, "ann", "ann", "c-1"), subscribed(at, "live")]


def seen(at: float, *clients: str, asked: float | None = None) -> PresenceSeen:
    return PresenceSeen(at, "live", clients, asked)


def test_who_came_within_a_lease_may_be_missing() -> None:
    assert broken(here(10), seen(39), lease=30) == []
    assert broken(here(10), seen(41), lease=30) == [Invariant.PRESENCE]
    assert broken(here(10), seen(41, asked=39), lease=30) == []
    assert broken(here(10), seen(39, "c-1"), seen(41, "c-1"), lease=30) == []


def test_who_left_within_a_lease_may_still_be_there() -> None:
    left = [*here(1), Disconnected(10, "ann")]
    assert broken(left, seen(39, "c-1"), lease=30) == []
    assert broken(left, seen(41, "c-1"), lease=30) == [Invariant.PRESENCE]
    assert broken(left, seen(39), seen(41), lease=30) == []


def test_who_comes_while_somebody_looks_may_be_there() -> None:
    """A client notices a moment later that it is subscribed."""
    assert broken(seen(9.9, "c-1"), here(10)) == []
    assert broken(seen(8.9, "c-1"), here(10)) == [Invariant.PRESENCE]


def test_a_fault_excuses_for_a_lease() -> None:
    fault = FaultInjected(50, "restart")
    assert broken(here(1), fault, seen(79), lease=30) == []
    assert broken(here(1), fault, seen(81), lease=30) == [Invariant.PRESENCE]


def test_a_connection_is_present_and_not_a_client() -> None:
    """Who comes back does so under another id."""
    back = [Disconnected(10, "ann"), Connected(11, "ann", "ann", "c-2"), subscribed(11, "live")]
    assert broken(here(1), back, seen(50, "c-2"), lease=30) == []
    assert broken(here(1), back, seen(50, "c-1"), lease=30) == [Invariant.PRESENCE]


# Faults.


def test_a_fault_has_to_fire_as_often_as_it_is_expected() -> None:
    fault = FaultInjected(1, "kill", "redis")
    assert broken(fault, expected_faults=["kill"]) == []
    assert broken(fault, expected_faults=["kill", "kill"]) == [Invariant.FAULTS]


# What cannot be checked.


@pytest.mark.parametrize(
    ("records", "complaint"),
    [
        ([], "the history is empty"),
        ([*published("a", 1, 2), *published("a", 3, 4)], "the id 'a' was published twice"),
        ([PublishOk(1, "a")], "the publication 'a' ended without having begun"),
        ([*published("a", 1, 2), PublishUnknown(3, "a")], "the publication 'a' ended twice"),
    ],
)
def test_a_history_that_contradicts_itself(records: list[AnyRecord], complaint: str) -> None:
    with pytest.raises(BadHistory, match=complaint):
        verdict(records)


def test_channels_in_which_something_happened_need_rules() -> None:
    """Those to which somebody is merely subscribed need none, such as everybody's personal one."""
    personal = subscribed(1, "#42")
    assert broken(personal) == []
    with pytest.raises(ValueError, match="the rules say nothing about the channel '#42'"):
        broken(personal, published("a", 2, 3, "#42"))


# The report.


def test_the_report_names_the_promise_and_shows_what_happened_around() -> None:
    """In the words of the design, with the publication, the client, and some events before and after."""
    calls = [record for number in range(30) for record in published(f"p-{number}", 10 + number, 10.5 + number)]
    run = [Connected(1, "ann", "ann", "c-1"), subscribed(1), *calls, FaultInjected(24.7, "cut", "ann")]
    missing = [got(f"p-{number}", 10.7 + number, number + 1) for number in range(30) if number != 15]
    text = str(verdict(*run, *missing))
    lines = text.splitlines()
    assert lines[0] == "Broken: what is acknowledged is delivered, or a gap is told."
    assert lines[1].startswith("Promised: channel with history: in offset order;")
    assert lines[2] == (
        "But: p-15, acknowledged at 25.500, never reached ann, subscribed to kept from 1.000 to the end of the run, "
        "and no gap was told."
    )
    middle = next(number for number, line in enumerate(lines) if line.startswith("> "))
    assert lines[middle] == ">    25.500             p-15 is acknowledged"
    assert "     24.700             fault: cut ann" in lines
    assert lines[5:8] == [
        "      1.000  ann        connected as user 'ann', c-1",
        "      1.000  ann        subscribed to kept at 0 of e",
        "        ...",
    ]
    assert len(lines[8:middle]) == 10
    assert lines[middle + 11 :] == [
        "",
        "channel  published  acknowledged  failed  unknown  delivered  told  lost  undecided  duplicates",
        "kept            30            30       0        0         29     0     1          0           0",
    ]


def test_other_broken_promises_are_named_too() -> None:
    text = str(verdict(subscribed(1), published("a", 2, 3), got("nobody's", 4), expected_faults=["kill"]))
    assert text.startswith("Broken: what is acknowledged is delivered, or a gap is told.")
    assert "Also broken:\n  nothing to whom it is not allowed: ann got nobody's of live" in text
    assert "  every fault that was expected has fired: the fault 'kill' fired 0 of 1 times" in text
