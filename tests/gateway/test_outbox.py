"""What waits for a slow client."""

from __future__ import annotations

import pytest

from tidings.channels.options import SlowPolicy
from tidings.gateway.outbox import Backlog, Held, Outbox, Overflow

pytestmark = pytest.mark.core


def held(data: bytes, policy: SlowPolicy = SlowPolicy.DISCONNECT, channel: str = "", namespace: str = "") -> Held:
    return Held(data, channel, namespace, policy)


def drained(backlog: Backlog) -> list[bytes]:
    return [backlog.pop().data for _ in range(len(backlog))]


class TestBacklog:
    def test_messages_come_out_in_order(self) -> None:
        backlog = Backlog(100)
        assert [backlog.put(held(data)) for data in (b"a", b"bb", b"c")] == [0, 0, 0]
        assert backlog.size_bytes == 4
        assert drained(backlog) == [b"a", b"bb", b"c"]
        assert backlog.size_bytes == 0

    def test_disconnect_overflows_at_the_bound(self) -> None:
        """The bound is in bytes and includes its last byte; what is queued stays as it was."""
        backlog = Backlog(4)
        backlog.put(held(b"1234"))
        with pytest.raises(Overflow):
            backlog.put(held(b"5"))
        assert drained(backlog) == [b"1234"]

    def test_drop_oldest_gives_up_only_its_own_namespace(self) -> None:
        """Replies and the publications of other namespaces are not sacrificed for a late ticker."""
        backlog = Backlog(6)
        backlog.put(held(b"re"))
        backlog.put(held(b"c1", SlowPolicy.DROP_OLDEST, "chat:a", "chat"))
        backlog.put(held(b"t1", SlowPolicy.DROP_OLDEST, "ticker:a", "ticker"))
        assert backlog.put(held(b"t2", SlowPolicy.DROP_OLDEST, "ticker:b", "ticker")) == 1
        assert drained(backlog) == [b"re", b"c1", b"t2"]

    def test_drop_oldest_gives_up_as_many_as_it_needs(self) -> None:
        backlog = Backlog(6)
        for data in (b"t1", b"t2", b"t3"):
            backlog.put(held(data, SlowPolicy.DROP_OLDEST, "ticker:a", "ticker"))
        assert backlog.put(held(b"long", SlowPolicy.DROP_OLDEST, "ticker:a", "ticker")) == 2
        assert drained(backlog) == [b"t3", b"long"]

    def test_drop_oldest_gives_up_the_new_one_when_there_is_nothing_else(self) -> None:
        backlog = Backlog(4)
        backlog.put(held(b"reply"[:4]))
        assert backlog.put(held(b"t", SlowPolicy.DROP_OLDEST, "ticker:a", "ticker")) == 1
        assert drained(backlog) == [b"repl"]

    def test_latest_keeps_the_newest_of_each_channel(self) -> None:
        """Also below the bound: whoever reads late wants to know how things are, not how they were."""
        backlog = Backlog(100)
        put = [
            backlog.put(held(data, SlowPolicy.LATEST, channel, "price"))
            for data, channel in ((b"a1", "price:a"), (b"b1", "price:b"), (b"a2", "price:a"), (b"a3", "price:a"))
        ]
        assert put == [0, 0, 1, 1]
        assert drained(backlog) == [b"b1", b"a3"]

    def test_latest_begins_anew_after_its_publication_left(self) -> None:
        backlog = Backlog(100)
        backlog.put(held(b"a1", SlowPolicy.LATEST, "price:a", "price"))
        backlog.pop()
        assert backlog.put(held(b"a2", SlowPolicy.LATEST, "price:a", "price")) == 0

    def test_latest_of_too_many_channels_gives_up_the_oldest(self) -> None:
        backlog = Backlog(4)
        for channel in "abc":
            backlog.put(held(channel.encode() * 2, SlowPolicy.LATEST, f"price:{channel}", "price"))
        assert drained(backlog) == [b"bb", b"cc"]
        assert backlog.put(held(b"aa", SlowPolicy.LATEST, "price:a", "price")) == 0


class Owner:
    """Notes what could not be kept."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes, int]] = []

    def on_dropped(self, message: Held, count: int) -> None:
        self.heard.append(("dropped", message.data, count))

    def on_overflow(self, message: Held) -> None:
        self.heard.append(("overflow", message.data, 1))


class TestOutbox:
    def test_what_is_held_is_written_on_resume(self) -> None:
        written: list[bytes] = []
        outbox = Outbox(written.append, 100, Owner())
        outbox.pause()
        outbox.hold(held(b"1"))
        outbox.hold(held(b"2"))
        assert (written, outbox.queued_bytes) == ([], 2)
        outbox.resume()
        assert (written, outbox.queued_bytes, outbox.flowing) == ([b"1", b"2"], 0, True)

    def test_a_transport_may_ask_for_another_pause_meanwhile(self) -> None:
        """The order holds: what could not be written yet comes before anything new."""
        written: list[bytes] = []

        def write(data: bytes) -> None:
            written.append(data)
            outbox.pause()

        outbox = Outbox(write, 100, Owner())
        outbox.pause()
        for data in (b"1", b"2"):
            outbox.hold(held(data))
        outbox.resume()
        assert (written, outbox.flowing) == ([b"1"], False)
        outbox.resume()
        assert written == [b"1", b"2"]

    def test_the_owner_hears_of_what_is_given_up(self) -> None:
        owner = Owner()
        outbox = Outbox(lambda _: None, 2, owner)
        outbox.pause()
        for data in (b"t1", b"t2"):
            outbox.hold(held(data, SlowPolicy.DROP_OLDEST, "ticker:a", "ticker"))
        outbox.hold(held(b"!"))
        assert owner.heard == [("dropped", b"t2", 1), ("overflow", b"!", 1)]

    def test_a_closed_outbox_takes_nothing(self) -> None:
        written: list[bytes] = []
        outbox = Outbox(written.append, 100, Owner())
        outbox.pause()
        outbox.hold(held(b"1"))
        outbox.close()
        outbox.hold(held(b"2"))
        outbox.resume()
        assert (written, outbox.queued_bytes, outbox.flowing) == ([], 0, False)
