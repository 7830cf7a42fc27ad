"""The order of one channel's publications on one node."""

from __future__ import annotations

import pytest

from tidings.brokers.base import Page
from tidings.channels.options import ChannelOptions
from tidings.channels.recovery import Recovery
from tidings.channels.topic import KEPT_LIMIT, Fill, Terms, Topic
from tidings.model import ClientInfo, Publication, StreamPosition

pytestmark = pytest.mark.core

KEPT = ChannelOptions(history_size=10, history_ttl=60.0, force_recovery=True)
POSITIONED = Terms(positioned=True, recoverable=True)


class Listener:
    """A subscriber that notes what it is handed."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.told: list[str] = []

    def on_insufficient_state(self, channel: str) -> None:
        self.told.append(channel)


class Listeners:
    """The audience of a channel: a list of listeners."""

    def __init__(self) -> None:
        self.members: list[Listener] = []

    def __len__(self) -> int:
        return len(self.members)

    def add(self, subscriber: Listener, *, join_leave: bool) -> None:
        self.members.append(subscriber)

    def discard(self, subscriber: Listener) -> None:
        if subscriber in self.members:
            self.members.remove(subscriber)

    def publish(self, publication: Publication) -> None:
        for member in self.members:
            member.offsets.append(publication.offset)

    def join(self, info: ClientInfo) -> None: ...

    def leave(self, info: ClientInfo) -> None: ...


@pytest.fixture
def topic() -> Topic[Listener]:
    return Topic("news", KEPT, Listeners())


def publication(offset: int) -> Publication:
    return Publication(b"%d" % offset, offset)


def page(*offsets: int, top: int, epoch: str = "e") -> Page:
    return Page(tuple(map(publication, offsets)), StreamPosition(top, epoch))


def subscribed(topic: Topic[Listener], read: Page, terms: Terms = POSITIONED) -> Listener:
    """Somebody who subscribed when the stream was as `read` says."""
    listener = Listener()
    topic.open()
    assert topic.accepts(read)
    topic.settle(listener, terms, read)
    return listener


def receive(topic: Topic[Listener], *offsets: int, epoch: str = "e") -> list[Fill]:
    fills = [topic.receive(publication(offset), epoch) for offset in offsets]
    return [fill for fill in fills if fill is not None]


class TestFollowing:
    def test_the_next_publication_is_handed_out(self, topic: Topic[Listener]) -> None:
        listener = subscribed(topic, page(top=4))
        assert receive(topic, 5, 6) == []
        assert listener.offsets == [5, 6]
        assert topic.position == StreamPosition(6, "e")

    def test_what_is_old_is_dropped(self, topic: Topic[Listener]) -> None:
        """A broker that delivers twice does not make us do so."""
        listener = subscribed(topic, page(top=4))
        receive(topic, 4, 5, 5, 3)
        assert listener.offsets == [5]

    def test_a_publication_without_offset_is_handed_out_as_it_comes(self, topic: Topic[Listener]) -> None:
        """In a channel without history, and for publications that skip it."""
        listener = subscribed(topic, page(top=4))
        receive(topic, 0)
        assert listener.offsets == [0]
        assert topic.position == StreamPosition(4, "e")

    def test_another_epoch_is_told_before_its_first_publication(self, topic: Topic[Listener]) -> None:
        """Who was promised continuity is told; who was not simply goes on."""
        promised = subscribed(topic, page(top=4))
        casual = subscribed(topic, page(top=4), Terms())
        receive(topic, 1, epoch="new")
        assert promised.told == ["news"]
        assert casual.told == []
        assert casual.offsets == [1]
        assert topic.position == StreamPosition(1, "new")


class TestGaps:
    def test_a_gap_is_filled_once_for_everybody(self, topic: Topic[Listener]) -> None:
        """What arrives while the gap is being filled is kept, and follows in order."""
        listeners = [subscribed(topic, page(top=4)), subscribed(topic, page(top=4))]
        assert receive(topic, 7, 8, 9) == [Fill(4)]
        assert listeners[0].offsets == []
        assert topic.filled(page(5, 6, 7, top=7)) is None
        assert [listener.offsets for listener in listeners] == [[5, 6, 7, 8, 9]] * 2
        assert [listener.told for listener in listeners] == [[], []]

    def test_a_gap_that_history_cannot_close_is_told(self, topic: Topic[Listener]) -> None:
        promised, casual = subscribed(topic, page(top=4)), subscribed(topic, page(top=4), Terms())
        receive(topic, 7)
        assert topic.filled(page(6, 7, top=7)) is None
        assert promised.told == ["news"]
        assert casual.offsets == [7]

    def test_a_broker_that_does_not_answer_is_told_too(self, topic: Topic[Listener]) -> None:
        promised = subscribed(topic, page(top=4))
        receive(topic, 7)
        assert topic.filled(None) is None
        assert promised.told == ["news"]

    def test_a_second_gap_within_what_was_kept(self, topic: Topic[Listener]) -> None:
        listener = subscribed(topic, page(top=4))
        assert receive(topic, 6, 9, 10) == [Fill(4)]
        assert topic.filled(page(5, 6, top=6)) == Fill(6)
        assert topic.filled(page(7, 8, 9, top=9)) is None
        assert listener.offsets == [5, 6, 7, 8, 9, 10]

    def test_the_stream_is_recreated_while_a_gap_is_filled(self, topic: Topic[Listener]) -> None:
        promised = subscribed(topic, page(top=4))
        receive(topic, 7)
        receive(topic, 1, epoch="new")
        topic.filled(page(top=1, epoch="new"))
        assert promised.told[0] == "news"
        assert topic.position == StreamPosition(1, "new")


class TestComparing:
    def test_a_loss_that_no_publication_reveals(self, topic: Topic[Listener]) -> None:
        listener = subscribed(topic, page(top=4))
        assert topic.compare(StreamPosition(6, "e"), "e") == Fill(4)
        topic.filled(page(5, 6, top=6))
        assert listener.offsets == [5, 6]

    def test_being_ahead_of_the_answer_is_no_contradiction(self, topic: Topic[Listener]) -> None:
        listener = subscribed(topic, page(top=4))
        receive(topic, 5)
        assert topic.compare(StreamPosition(4, "e"), "e") is None
        assert listener.told == []

    def test_a_stream_that_was_recreated(self, topic: Topic[Listener]) -> None:
        listener = subscribed(topic, page(top=4))
        assert topic.compare(StreamPosition(0, "new"), "e") is None
        assert listener.told == ["news"]

    def test_a_broker_that_fails_between_two_questions_changes_nothing(self, topic: Topic[Listener]) -> None:
        listener = subscribed(topic, page(top=4))
        topic.compare(StreamPosition(6, "e"), "e")
        assert topic.filled(None) is None
        assert listener.told == []
        assert topic.position == StreamPosition(4, "e")


class TestOpening:
    def test_publications_before_the_first_read_are_merged(self, topic: Topic[Listener]) -> None:
        """The broker subscription comes first, then the read: what arrives between is neither lost nor doubled."""
        topic.open()
        receive(topic, 3, 4, 5)
        read = page(2, 3, top=3)
        assert topic.accepts(read)
        listener = Listener()
        recovery = topic.settle(listener, Terms(positioned=True, since=StreamPosition(1, "e")), read)
        assert [each.offset for each in recovery.publications] == [2, 3, 4, 5]
        receive(topic, 6)
        assert listener.offsets == [6]

    def test_publications_during_a_later_read_are_merged(self, topic: Topic[Listener]) -> None:
        other = subscribed(topic, page(top=3))
        topic.open()
        receive(topic, 4, 5)
        read = page(2, 3, 4, top=4)
        assert topic.accepts(read)
        listener = Listener()
        recovery = topic.settle(listener, Terms(positioned=True, since=StreamPosition(1, "e")), read)
        assert [each.offset for each in recovery.publications] == [2, 3, 4, 5]
        assert other.offsets == [4, 5]
        receive(topic, 6)
        assert listener.offsets == [6]

    def test_a_newcomer_is_told_the_newest_position(self, topic: Topic[Listener]) -> None:
        subscribed(topic, page(top=3))
        topic.open()
        receive(topic, 4)
        read = page(top=3)
        assert topic.accepts(read)
        assert topic.settle(Listener(), POSITIONED, read) == Recovery(StreamPosition(4, "e"))

    def test_a_read_ahead_of_the_topic_makes_the_subscriber_wait(self, topic: Topic[Listener]) -> None:
        """What its reply covers already is not sent to it again."""
        early = subscribed(topic, page(top=3))
        late = subscribed(topic, page(top=5))
        receive(topic, 4, 5, 6)
        assert early.offsets == [4, 5, 6]
        assert late.offsets == [6]

    def test_somebody_who_waits_can_leave(self, topic: Topic[Listener]) -> None:
        early, late = subscribed(topic, page(top=3)), subscribed(topic, page(top=5))
        topic.discard(late)
        receive(topic, 4, 5, 6)
        assert late.offsets == []
        topic.discard(early)
        assert topic.is_idle

    def test_nobody_waits_beyond_the_end_of_a_stream(self, topic: Topic[Listener]) -> None:
        """An offset of the old epoch will never be reached."""
        subscribed(topic, page(top=3))
        late = subscribed(topic, page(top=5), Terms())
        receive(topic, 1, 2, epoch="new")
        assert late.offsets == [1, 2]

    def test_a_read_from_before_the_stream_was_recreated_is_refused(self, topic: Topic[Listener]) -> None:
        subscribed(topic, page(top=3))
        topic.open()
        receive(topic, 1, epoch="new")
        assert not topic.accepts(page(2, 3, top=3))
        assert topic.accepts(page(top=1, epoch="new"))

    def test_a_read_that_is_newer_than_the_topic_restarts_it(self, topic: Topic[Listener]) -> None:
        """Somebody who reads the new stream is the first to know; the others must hear of it, not he be kept out."""
        promised = subscribed(topic, page(top=3))
        topic.open()
        assert topic.accepts(page(top=1, epoch="new"))
        assert promised.told == ["news"]
        assert topic.position == StreamPosition(1, "new")

    def test_more_than_is_kept_needs_another_read(self, topic: Topic[Listener]) -> None:
        subscribed(topic, page(top=0))
        topic.open()
        receive(topic, *range(1, 2000))
        assert not topic.accepts(page(top=0))
        assert topic.accepts(page(top=1999))

    def test_what_is_known_need_not_be_read(self, topic: Topic[Listener]) -> None:
        assert topic.shortcut(None) is None
        subscribed(topic, page(top=3))
        assert topic.shortcut(None) == page(top=3)
        assert topic.shortcut(StreamPosition(3, "e")) == page(top=3)
        assert topic.shortcut(StreamPosition(2, "e")) is None
        assert topic.shortcut(StreamPosition(3, "old")) is None

    def test_nothing_is_kept_while_nobody_opens(self, topic: Topic[Listener]) -> None:
        subscribed(topic, page(top=0))
        receive(topic, 1, 2, 3)
        assert not topic.recent

    def test_without_history_one_is_simply_added(self) -> None:
        topic = Topic("news", ChannelOptions(), Listeners())
        topic.open()
        listener = Listener()
        assert topic.settle(listener, Terms(), None) == Recovery(StreamPosition())
        receive(topic, 0)
        assert listener.offsets == [0]

    def test_what_still_speaks_of_a_past_epoch_is_late(self, topic: Topic[Listener]) -> None:
        listener = subscribed(topic, page(top=3), Terms())
        receive(topic, 1, epoch="new")
        receive(topic, 4, epoch="e")
        assert topic.compare(StreamPosition(9, "e"), "e") is None  # a read from before the change
        assert listener.offsets == [1]
        assert topic.position == StreamPosition(1, "new")

    def test_the_stream_is_the_judge_of_what_is_late(self, topic: Topic[Listener]) -> None:
        """A message of the lost epoch that is taken for a new one is put right by the next read, and told."""
        listener = subscribed(topic, page(top=3, epoch="new"))
        receive(topic, 50, epoch="lost")
        assert topic.epoch == "lost"
        assert topic.compare(StreamPosition(4, "new"), "lost") is None
        assert topic.position == StreamPosition(4, "new")
        receive(topic, 5, epoch="new")
        receive(topic, 51, epoch="lost")
        assert listener.offsets == [50, 5]
        assert listener.told == ["news", "news"]

    def test_a_subscriber_may_be_the_first_to_read_what_is_right(self, topic: Topic[Listener]) -> None:
        subscribed(topic, page(top=3, epoch="new"))
        receive(topic, 50, epoch="lost")
        topic.open()
        assert topic.accepts(page(top=4, epoch="new"), "lost")
        assert topic.position == StreamPosition(4, "new")

    def test_two_epochs_before_the_first_position(self, topic: Topic[Listener]) -> None:
        """Which of them is over only another read can tell."""
        topic.open()
        receive(topic, 7, epoch="lost")
        assert not topic.accepts(page(top=2, epoch="new"))
        assert topic.accepts(page(top=2, epoch="new"))
        listener = Listener()
        topic.settle(listener, POSITIONED, page(top=2, epoch="new"))
        receive(topic, 3, epoch="new")
        assert listener.offsets == [3]

    def test_a_gap_that_takes_too_long_is_given_up(self, topic: Topic[Listener]) -> None:
        """What is kept meanwhile is bounded. The answer that comes after all changes nothing."""
        listener = subscribed(topic, page(top=4))
        receive(topic, *range(7, 7 + KEPT_LIMIT + 1))
        assert listener.told == ["news"]
        assert listener.offsets == [*range(7, 7 + KEPT_LIMIT + 1)]
        assert topic.filled(page(5, 6, 7, top=7)) is None
        receive(topic, 8 + KEPT_LIMIT)
        assert listener.offsets[-1] == 8 + KEPT_LIMIT
