"""Recovery from one read of the stream."""

from __future__ import annotations

import pytest

from tidings.brokers.base import Page
from tidings.channels.options import RecoveryMode
from tidings.channels.recovery import Recovery, extend, recover
from tidings.model import Publication, StreamPosition

pytestmark = pytest.mark.core

STREAM, CACHE = RecoveryMode.STREAM, RecoveryMode.CACHE


def publications(*offsets: int) -> tuple[Publication, ...]:
    return tuple(Publication(b"%d" % offset, offset) for offset in offsets)


def page(*offsets: int, top: int, epoch: str = "e") -> Page:
    return Page(publications(*offsets), StreamPosition(top, epoch))


class TestStream:
    def test_everything_missed_is_handed_over_from_the_position_asked_for(self) -> None:
        """The reply names the requested offset; the client advances through the publications by itself."""
        recovery = recover(STREAM, StreamPosition(2, "e"), page(3, 4, 5, top=5))
        assert recovery == Recovery(StreamPosition(2, "e"), publications(3, 4, 5), recovered=True)

    def test_nothing_missed(self) -> None:
        """A client at the top has recovered, with nothing to hand over."""
        assert recover(STREAM, StreamPosition(5, "e"), page(top=5)) == Recovery(StreamPosition(5, "e"), recovered=True)

    def test_an_empty_epoch_fits_any_stream(self) -> None:
        """A client that subscribed before the stream existed knows no epoch."""
        assert recover(STREAM, StreamPosition(0, ""), page(1, top=1)).recovered

    @pytest.mark.parametrize(
        ("since", "read"),
        [
            pytest.param(StreamPosition(2, "e"), page(4, 5, top=5), id="the next one is no longer retained"),
            pytest.param(StreamPosition(2, "e"), page(3, 4, top=9), id="more was missed than one read returns"),
            pytest.param(StreamPosition(2, "e"), page(top=5), id="nothing is retained any more"),
            pytest.param(StreamPosition(7, "e"), page(top=5), id="the position lies in the future"),
            pytest.param(StreamPosition(2, "old"), page(3, 4, 5, top=5), id="another epoch"),
            pytest.param(StreamPosition(5, "old"), page(top=5), id="another epoch, same offset"),
        ],
    )
    def test_a_hole_is_told(self, since: StreamPosition, read: Page) -> None:
        """Without continuity there are no publications, and the position is the present."""
        assert recover(STREAM, since, read) == Recovery(read.top)


class TestCache:
    def test_the_newest_publication_is_enough(self) -> None:
        """Whatever was missed before it does not matter."""
        recovery = recover(CACHE, StreamPosition(), page(9, top=9))
        assert recovery == Recovery(StreamPosition(9, "e"), publications(9), recovered=True)

    def test_a_client_at_the_top_gets_nothing(self) -> None:
        assert recover(CACHE, StreamPosition(9, "e"), page(9, top=9)) == Recovery(
            StreamPosition(9, "e"), recovered=True
        )

    def test_the_newest_must_be_the_top(self) -> None:
        """The top is known to have existed; something older would be passed off as current."""
        assert recover(CACHE, StreamPosition(), page(8, top=9)) == Recovery(StreamPosition(9, "e"))

    def test_an_empty_cache(self) -> None:
        assert recover(CACHE, StreamPosition(), page(top=3)) == Recovery(StreamPosition(3, "e"))


class TestExtend:
    def test_live_publications_follow_the_recovered_ones(self) -> None:
        """The position stays the requested one."""
        recovered = Recovery(StreamPosition(2, "e"), publications(3), recovered=True)
        assert extend(STREAM, recovered, publications(4, 5), "e", recovering=True) == Recovery(
            StreamPosition(2, "e"), publications(3, 4, 5), recovered=True
        )

    def test_a_newcomer_begins_after_them(self) -> None:
        """Live publications only move the position of somebody who does not recover."""
        assert extend(STREAM, Recovery(StreamPosition(3, "e")), publications(4, 5), "e", recovering=False) == Recovery(
            StreamPosition(5, "e")
        )

    def test_in_cache_mode_the_newest_replaces(self) -> None:
        cached = Recovery(StreamPosition(3, "e"), publications(3), recovered=True)
        assert extend(CACHE, cached, publications(4, 5), "e", recovering=True) == Recovery(
            StreamPosition(5, "e"), publications(5), recovered=True
        )

    def test_nothing_live_changes_nothing(self) -> None:
        recovery = Recovery(StreamPosition(3, "e"))
        assert extend(STREAM, recovery, (), "e", recovering=True) is recovery

    def test_in_cache_mode_the_first_publication_of_all_is_handed_over(self) -> None:
        """The cache was empty when it was read, and is not any more when the subscriber goes live."""
        empty = Recovery(StreamPosition(0, "e"))
        assert extend(CACHE, empty, publications(1), "e", recovering=True) == Recovery(
            StreamPosition(1, "e"), publications(1), recovered=True
        )
        assert extend(CACHE, empty, publications(1), "e", recovering=False) == Recovery(StreamPosition(1, "e"))
