"""One publication to many members: made once, written to each, whatever the members do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from msgspec import Raw

from tidings import events
from tidings.channels.options import ChannelOptions, SlowPolicy
from tidings.clock import ManualClock
from tidings.gateway.fanout import JOIN_LIMIT_BYTES, Encoding, Fanout
from tidings.gateway.outbox import Backlog, Held, Outbox
from tidings.hooks import Hooks
from tidings.model import ClientInfo, Publication
from tidings.wire.centrifuge.codec import Codec
from tidings.wire.centrifuge.json import JSON
from tidings.wire.centrifuge.messages import Command, Reply
from tidings.wire.centrifuge.protobuf import PROTOBUF

pytestmark = pytest.mark.core

ADA = ClientInfo("ada", "c1", b'{"name":"Ada"}')


class Counting:
    """A codec that notes what it encodes, and leaves the work to another."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.name, self.binary, self.ping = codec.name, codec.binary, codec.ping
        self.encoded: list[Reply] = []

    def decode(self, message: bytes) -> list[Command]:
        return self._codec.decode(message)

    def encode(self, reply: Reply) -> bytes:
        self.encoded.append(reply)
        return self._codec.encode(reply)

    def join(self, replies: Sequence[bytes]) -> bytes:
        return self._codec.join(replies)

    def embed(self, payload: bytes) -> Raw:
        return self._codec.embed(payload)

    def extract(self, raw: Raw) -> bytes:
        return self._codec.extract(raw)


class Framing:
    """A way to wrap messages that notes how often it is used."""

    def __init__(self) -> None:
        self.wrapped = 0

    def __call__(self, payload: bytes) -> bytes:
        self.wrapped += 1
        return b"<" + payload + b">"


class Box(Outbox):
    """An outbox that shows what it holds."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        super().__init__(write, 1000, self)
        self.held: list[Held] = []

    def hold(self, message: Held) -> None:
        self.held.append(message)

    def on_dropped(self, message: Held, count: int) -> None: ...

    def on_overflow(self, message: Held) -> None: ...


class Turn:
    """One turn of the event loop: what is to be done at its end."""

    def __init__(self) -> None:
        self._later: list[Callable[[], None]] = []

    def soon(self, call: Callable[[], None]) -> None:
        self._later.append(call)

    def end(self) -> None:
        later, self._later = self._later, []
        for call in later:
            call()


class Ear:
    """A member that keeps what it gets. `then` is called with every message that is written to it."""

    def __init__(self, codec: Codec, wrap: Callable[[bytes], bytes], then: Callable[[], None] = lambda: None) -> None:
        self.encoding = Encoding(codec, wrap)
        self.outbox = Box(self._hear)
        self.heard: list[bytes] = []
        self.inexpressible = 0
        self._then = then

    def _hear(self, data: bytes) -> None:
        self.heard.append(data)
        self._then()

    @property
    def held(self) -> list[Held]:
        return self.outbox.held

    def on_inexpressible(self) -> None:
        self.inexpressible += 1

    def on_insufficient_state(self, channel: str) -> None: ...


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


@pytest.fixture
def facts() -> list[events.Fact]:
    return []


@pytest.fixture
def fanout(clock: ManualClock, facts: list[events.Fact]) -> Fanout:
    """A fan-out whose turns end at once."""
    options = ChannelOptions(slow_policy=SlowPolicy.LATEST)
    return Fanout("chat:lobby", options, clock, Hooks(facts.append), soon=lambda call: call())


def ears(fanout: Fanout, number: int, codec: Codec = JSON, wrap: Callable[[bytes], bytes] = bytes) -> list[Ear]:
    """New members of one kind."""
    made = [Ear(codec, wrap) for _ in range(number)]
    for ear in made:
        fanout.add(ear, join_leave=True)
    return made


class TestOnce:
    def test_each_encoding_is_made_once(self, fanout: Fanout) -> None:
        """However many members there are; those that share codec and framing get the very same object."""
        json, protobuf, frame, other = Counting(JSON), Counting(PROTOBUF), Framing(), Framing()
        kinds = [(json, frame), (json, other), (protobuf, frame)]
        groups = [ears(fanout, 5, codec, wrap) for codec, wrap in kinds]
        fanout.publish(Publication(b"1"))
        assert (len(json.encoded), len(protobuf.encoded)) == (2, 1)
        assert (frame.wrapped, other.wrapped) == (2, 1)
        for group in groups:
            assert len({id(ear.heard[0]) for ear in group}) == 1
        assert [group[0].heard for group in groups] == [
            [b'<{"push":{"channel":"chat:lobby","pub":{"data":1}}}>'],
            [b'<{"push":{"channel":"chat:lobby","pub":{"data":1}}}>'],
            [b"<\x13\x22\x11\x12\x0achat:lobby\x22\x03\x22\x011>"],
        ]

    def test_what_nobody_takes_is_not_made(self, fanout: Fanout) -> None:
        """The codec of members that have left is not asked any more."""
        json = Counting(JSON)
        for ear in ears(fanout, 2, json):
            fanout.discard(ear)
        fanout.publish(Publication(b"1"))
        assert (json.encoded, len(fanout)) == ([], 0)

    def test_a_publication_says_who_and_where(self, fanout: Fanout) -> None:
        (ear,) = ears(fanout, 1)
        fanout.publish(Publication(b'{"a":1}', 7, ADA, {"k": "v"}, 99.5))
        assert ear.heard == [
            b'{"push":{"channel":"chat:lobby","pub":{"data":{"a":1},'
            b'"info":{"user":"ada","client":"c1","conn_info":{"name":"Ada"}},"offset":7,"tags":{"k":"v"},"time":99500}}}'
        ]


class TestMembers:
    def test_joins_and_leaves_are_for_those_who_asked(self, fanout: Fanout) -> None:
        deaf, watcher = Ear(JSON, bytes), Ear(JSON, bytes)
        fanout.add(deaf, join_leave=False)
        fanout.add(watcher, join_leave=True)
        fanout.join(ADA)
        fanout.leave(ADA)
        info = b'{"info":{"user":"ada","client":"c1","conn_info":{"name":"Ada"}}}'
        assert deaf.heard == []
        assert watcher.heard == [
            b'{"push":{"channel":"chat:lobby","join":' + info + b"}}",
            b'{"push":{"channel":"chat:lobby","leave":' + info + b"}}",
        ]

    def test_one_who_leaves_meanwhile_stops_nobody(self, fanout: Fanout) -> None:
        """Whoever is written to may end any member, itself among them; everybody else still gets the publication."""
        members: list[Ear] = []

        def end_all_but_the_last_two() -> None:
            for member in members[:-2]:
                member.outbox.close()
                fanout.discard(member)

        members += [Ear(JSON, bytes, then=end_all_but_the_last_two) for _ in range(6)]
        for member in members:
            fanout.add(member, join_leave=False)
        fanout.publish(Publication(b"1"))
        assert [len(member.heard) for member in members[-2:]] == [1, 1]
        assert len(fanout) == 2
        gone = [member for member in members[:-2] if not member.heard]
        assert all(len(member.held) == 1 for member in gone), "who has left before its turn decides by itself"

    def test_one_who_comes_meanwhile_waits_for_the_next(self, fanout: Fanout) -> None:
        late = Ear(JSON, bytes)
        early = Ear(JSON, bytes, then=lambda: fanout.add(late, join_leave=False))
        fanout.add(early, join_leave=False)
        fanout.publish(Publication(b"1"))
        assert (len(early.heard), len(late.heard)) == (1, 0)
        fanout.publish(Publication(b"2"))
        assert (len(early.heard), len(late.heard)) == (2, 1)

    def test_one_who_is_paused_holds_it(self, fanout: Fanout) -> None:
        """With the channel, its namespace and what shall become of it; made once for all who hold it."""
        slow, other, quick = ears(fanout, 3)
        slow.outbox.pause()
        other.outbox.pause()
        fanout.publish(Publication(b"1"))
        data = b'{"push":{"channel":"chat:lobby","pub":{"data":1}}}'
        assert slow.held == [Held(data, "chat:lobby", "chat", SlowPolicy.LATEST)]
        assert other.held[0] is slow.held[0]
        assert (slow.heard, quick.heard) == ([], [data])


class TestOneTurn:
    """What is published within one turn of the loop."""

    @pytest.fixture
    def turn(self) -> Turn:
        return Turn()

    @pytest.fixture
    def fanout(self, turn: Turn, clock: ManualClock) -> Fanout:
        return Fanout("a", ChannelOptions(slow_policy=SlowPolicy.LATEST), clock, Hooks(), turn.soon)

    def test_leaves_in_one_message(self, fanout: Fanout, turn: Turn) -> None:
        """In order, joined as the encoding joins replies, and wrapped once."""
        frame = Framing()
        json, protobuf = ears(fanout, 3, JSON, frame), ears(fanout, 1, PROTOBUF)
        for number in (b"1", b"2"):
            fanout.publish(Publication(number))
        assert json[0].heard == []
        turn.end()
        both = b'<{"push":{"channel":"a","pub":{"data":1}}}\n{"push":{"channel":"a","pub":{"data":2}}}>'
        assert [ear.heard for ear in json] == [[both]] * 3
        assert frame.wrapped == 1
        assert protobuf[0].heard == [b"\x0a\x22\x08\x12\x01a\x22\x03\x22\x011\x0a\x22\x08\x12\x01a\x22\x03\x22\x012"]
        turn.end()
        assert len(json[0].heard) == 1

    def test_is_announced_when_it_has_been_written(self, turn: Turn, clock: ManualClock) -> None:
        """So that the age is that of what clients get."""
        heard: list[str] = []
        fanout = Fanout("a", ChannelOptions(), clock, Hooks(lambda fact: heard.append(type(fact).__name__)), turn.soon)
        (ear,) = ears(fanout, 1)
        ear.outbox.write = lambda data: heard.append("written")
        fanout.publish(Publication(b"1"))
        turn.end()
        assert heard == ["written", "Delivered"]

    def test_a_join_does_not_replace_the_newest_publication(self, fanout: Fanout, turn: Turn) -> None:
        """With the policy `latest` only publications replace publications."""
        slow = Ear(JSON, Framing())
        fanout.add(slow, join_leave=True)
        slow.outbox.pause()
        fanout.publish(Publication(b'"final"'))
        turn.end()
        fanout.join(ADA)
        backlog = Backlog(1000)
        assert [backlog.put(held) for held in slow.held] == [0, 0]
        assert b"final" in backlog.pop().data

    def test_is_not_for_who_comes_after(self, fanout: Fanout, turn: Turn) -> None:
        """Its reply says that it has this publication already."""
        (early,) = ears(fanout, 1)
        fanout.publish(Publication(b"1"))
        (late,) = ears(fanout, 1)
        turn.end()
        assert (len(early.heard), len(late.heard)) == (1, 0)

    def test_is_for_who_leaves_after(self, fanout: Fanout, turn: Turn) -> None:
        (leaving,) = ears(fanout, 1)
        fanout.publish(Publication(b"1"))
        fanout.discard(leaving)
        assert len(leaving.heard) == 1
        turn.end()
        assert len(leaving.heard) == 1

    def test_is_held_one_by_one(self, fanout: Fanout, turn: Turn) -> None:
        """A slow client may have to do without one of them."""
        slow, quick = ears(fanout, 2)
        slow.outbox.pause()
        for number in (b"1", b"2"):
            fanout.publish(Publication(number))
        turn.end()
        assert [held.data[-4:-3] for held in slow.held] == [b"1", b"2"]
        assert len(quick.heard) == 1

    def test_comes_before_the_news_that_its_publisher_left(self, fanout: Fanout, turn: Turn) -> None:
        (ear,) = ears(fanout, 1)
        fanout.publish(Publication(b"1"))
        fanout.leave(ADA)
        assert [b'"pub"' in message for message in ear.heard] == [True, False]
        turn.end()
        assert len(ear.heard) == 2

    def test_does_not_wait_when_it_is_much(self, fanout: Fanout, turn: Turn) -> None:
        """A client that stalls gets no more before it can ask for a pause than it would get otherwise."""
        (ear,) = ears(fanout, 1)
        for _ in range(10):
            fanout.publish(Publication(b'"' + b"x" * 10_000 + b'"'))
        assert [message.count(b"push") for message in ear.heard] == [7]
        turn.end()
        assert [message.count(b"push") for message in ear.heard] == [7, 3]
        assert all(len(message) < JOIN_LIMIT_BYTES + 11_000 for message in ear.heard)


class TestWhatCannotBeSaid:
    def test_it_concerns_its_encoding_only(self, fanout: Fanout) -> None:
        """Bytes that are not JSON: JSON clients are told so, and Protobuf clients get them."""
        json, protobuf = ears(fanout, 2, JSON), ears(fanout, 2, PROTOBUF)
        fanout.publish(Publication(b"\xff"))
        assert [(ear.inexpressible, ear.heard) for ear in json] == [(1, [])] * 2
        assert [(ear.inexpressible, ear.heard[0][-1:]) for ear in protobuf] == [(0, b"\xff")] * 2

    def test_who_leaves_because_of_it_stops_nobody(self, fanout: Fanout) -> None:
        """All of them are told, although each is gone as soon as it hears."""
        left = []

        class Leaving(Ear):
            def on_inexpressible(self) -> None:
                left.append(self)
                fanout.discard(self)

        for _ in range(3):
            fanout.add(Leaving(JSON, bytes), join_leave=False)
        fanout.publish(Publication(b"\xff"))
        assert (len(left), len(fanout)) == (3, 0)

    def test_info_counts_too(self, fanout: Fanout) -> None:
        (ear,) = ears(fanout, 1)
        fanout.join(ClientInfo("bob", "c2", b"\xff"))
        assert (ear.inexpressible, ear.heard) == (1, [])


class TestFacts:
    def test_a_delivery_is_announced(self, fanout: Fanout, clock: ManualClock, facts: list[events.Fact]) -> None:
        """To how many, how large, and how long after the broker took it; a clock that is behind makes that 0."""
        ears(fanout, 2, JSON)
        ears(fanout, 1, PROTOBUF)
        for time in (99.5, 101.0, 0.0):
            fanout.publish(Publication(b"12345", time=time))
        assert facts == [events.Delivered("chat:lobby", 3, 5, age) for age in (0.5, 0.0, 0.0)]

    def test_joins_are_no_deliveries(self, fanout: Fanout, facts: list[events.Fact]) -> None:
        ears(fanout, 2)
        fanout.join(ADA)
        assert facts == []
