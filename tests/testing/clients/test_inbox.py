"""Messages are read in order, each once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.testing.clients.inbox import Inbox
from tidings.testing.clients.transcript import Letter

pytestmark = pytest.mark.core


def inbox(*values: object) -> Inbox[object]:
    full = Inbox[object]()
    for value in values:
        full.put(Letter(value))
    return full


def test_messages_are_taken_in_order() -> None:
    some = inbox(1, 2, 3)
    assert some.take(1) == [1]
    assert some.take(2) == [2, 3]
    assert some.take(1) is None
    assert some.values == [1, 2, 3]


def test_too_few_are_not_taken() -> None:
    some = inbox(1, 2)
    assert some.take(3) is None
    assert some.unread == [1, 2]


def test_a_match_is_taken_and_those_before_it_are_skipped() -> None:
    some = inbox(1, 2, 3, 4)
    assert some.take_match(lambda value: value == 3) == [3]
    assert some.skipped == [1, 2]
    assert some.unread == [4]


def test_a_match_may_be_a_false_value() -> None:
    assert inbox(None).take_match(lambda value: value is None) == [None]


def test_without_a_match_all_are_skipped() -> None:
    """So that each message is shown to a predicate once."""
    some = inbox(1, 2)
    assert some.take_match(lambda value: False) is None
    assert (some.unread, some.skipped) == ([], [1, 2])


def test_a_predicate_that_fails_says_on_what() -> None:
    with pytest.raises(KeyError) as failure:
        inbox({"kind": "welcome"}).take_match(lambda value: value["type"] == "joined")  # type: ignore[index]
    assert failure.value.__notes__ == ["This was the message: {'kind': 'welcome'}"]


def test_a_letter_in_two_inboxes_is_read_once() -> None:
    one, other = Inbox[str](), Inbox[str]()
    letters = [Letter(value) for value in "abc"]
    for letter in letters:
        one.put(letter)
    other.put(letters[1])
    assert other.take(1) == ["b"]
    assert one.take(2) == ["a", "c"]
    assert other.unread == one.unread == []


@given(st.lists(st.integers(0, 4), max_size=30))
def test_every_message_is_read_once_and_in_order(sizes: list[int]) -> None:
    """However many are taken at a time."""
    some = inbox(*range(60))
    taken = [value for size in sizes for value in some.take(size) or []]
    assert taken == list(range(len(taken)))
    assert taken + some.unread == list(range(60))
