"""One channel as one node follows it: who listens here, and how far its stream has been handed out.

Theory of operation. All subscribers of a node see the same publications in the same order, so the position in the
stream belongs to the topic and not to each of them. Every arriving publication is in exactly one case:

    unpositioned    no offset, the channel has no history         hand out
    first           the topic has no position yet                 keep for those who are opening
    next            offset is the position's plus one             hand out, advance
    old             offset is not above the position              drop
    gap             offset is further away                        keep; ask for what is missing, once
    strange         another epoch                                 the stream was lost: tell the positioned, start anew
    late            an epoch that was left                        drop

While a gap is being filled everything that arrives is kept. `filled` hands out what was missing and what was kept; if
history could not close the gap, the positioned subscribers are told instead.

Somebody who subscribes reads the stream while publications go on arriving. The topic keeps what it hands out in the
meantime (`recent`), so that the read and the live publications can be joined without a hole. When the read is ahead of
the topic, the subscriber waits (`late`) until the topic has passed the offset that the reply named.

A message of a lost epoch may be late, and be taken for a new one. The stream itself is the judge: a read that began
after the topic had taken up its epoch, and tells another one, is right, be that one new or left before.

Nothing here waits. What has to be asked of the broker is returned as a `Fill`, and its answer comes back as a call.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from tidings.brokers.base import Page
from tidings.channels.options import ChannelOptions, RecoveryMode
from tidings.channels.recovery import Recovery, extend, recover
from tidings.model import ClientInfo, Publication, StreamPosition

RECENT_LIMIT = 1024
"""How many live publications are kept for those who are opening. Who needs more reads the stream again."""


KEPT_LIMIT = 1024
"""How many publications are kept while a gap is being filled. When more come, the gap is given up."""

PAST_LIMIT = 8
"""How many epochs of a channel are remembered as over."""


class Subscriber(Protocol):
    """Somebody who listens to channels."""

    def on_insufficient_state(self, channel: str) -> None:
        """The channel's continuity could not be kept; what was missed cannot be handed over."""


S = TypeVar("S", bound=Subscriber)
S_contra = TypeVar("S_contra", bound=Subscriber, contravariant=True)


class Audience(Protocol[S_contra]):
    """The local subscribers of one channel, as the side that writes to them."""

    def __len__(self) -> int: ...

    def add(self, subscriber: S_contra, *, join_leave: bool) -> None:
        """Hand publications to a subscriber from now on, and with `join_leave` also who comes and goes."""

    def discard(self, subscriber: S_contra) -> None: ...

    def publish(self, publication: Publication) -> None: ...

    def join(self, info: ClientInfo) -> None: ...

    def leave(self, info: ClientInfo) -> None: ...


class Terms(Struct, frozen=True):
    """How somebody subscribes: what they get, and from where on.

    `positioned` subscribers are told when continuity breaks; `recoverable` ones may come back later with a position.
    `since` is the position they come back with now; None when they do not recover.
    """

    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    since: StreamPosition | None = None
    mode: RecoveryMode = RecoveryMode.STREAM


class Fill(Struct, frozen=True):
    """A gap: history should be read after `since`, and the page handed to `Topic.filled`."""

    since: int


class Topic(Generic[S]):
    """See the module. `position` is None until the first subscriber has settled, and in channels without history."""

    __slots__ = (
        "_kept",
        "_past",
        "audience",
        "channel",
        "late",
        "openings",
        "options",
        "position",
        "positioned",
        "recent",
    )

    def __init__(self, channel: str, options: ChannelOptions, audience: Audience[S]) -> None:
        self.channel = channel
        self.options = options
        self.audience = audience
        self.position: StreamPosition | None = None
        self.openings = 0
        """How many are about to subscribe; while there are any, `recent` is kept."""
        self.recent: deque[tuple[Publication, str]] | None = None
        self.positioned: dict[S, None] = {}
        self.late: dict[S, tuple[int, Terms]] = {}
        """Subscribers whose reply named an offset that the topic has not reached."""
        self._past: tuple[str, ...] = ()
        """The epochs that were left. What still speaks of one is late, unless the stream itself does."""
        self._kept: list[tuple[Publication, str]] | None = None
        """What arrived since a gap was seen; None while there is no gap."""

    @property
    def subscribers(self) -> int:
        """How many are subscribed here."""
        return len(self.audience) + len(self.late)

    @property
    def epoch(self) -> str:
        """The epoch that is followed, "" for none yet."""
        return self.position.epoch if self.position is not None else ""

    @property
    def is_idle(self) -> bool:
        """Whether nobody needs the channel here any more."""
        return not (self.openings or self.subscribers)

    # Subscribers.

    def open(self) -> None:
        """Somebody is about to subscribe: keep what is handed out from now on, until `settle` or `abandon`."""
        self.openings += 1
        if self.recent is None:
            self.recent = deque(maxlen=RECENT_LIMIT)

    def abandon(self) -> None:
        """Somebody who was about to subscribe does not."""
        self.openings -= 1
        if not self.openings:
            self.recent = None

    def shortcut(self, since: StreamPosition | None) -> Page | None:
        """The page that a read would bring, where the topic knows it without reading; otherwise None.

        That is the case for newcomers, and for a returning client that has missed nothing.
        """
        if self.position is not None and (since is None or since == self.position):
            return Page((), self.position)
        return None

    def accepts(self, page: Page, followed: str = "") -> bool:
        """Whether `settle` may use a page that was read after `open`; otherwise the stream has to be read again.

        `followed` is the `epoch` of this topic when the read began. Takes up what the page says of the stream: its
        position, where the topic had none, or that it was recreated.
        """
        if self.position is None and not self._begin(page.top):
            return False
        assert self.position is not None
        if self._is_late(page.top.epoch, followed):
            return False
        if page.top.epoch != self.position.epoch:
            self.restart(page.top)
        return self._live_since(page.top.offset) is not None

    def settle(self, subscriber: S, terms: Terms, page: Page | None) -> Recovery:
        """Begin to hand publications to a subscriber, and say from which position on.

        `page` is one that the topic accepts, or None in a channel without history. Ends what `open` began.
        """
        if page is None:
            recovery = Recovery(StreamPosition())
            self._admit(subscriber, terms)
        else:
            recovery = self._join(subscriber, terms, page)
        self.abandon()
        return recovery

    def discard(self, subscriber: S) -> None:
        """Stop handing anything to a subscriber."""
        self.audience.discard(subscriber)
        self.positioned.pop(subscriber, None)
        self.late.pop(subscriber, None)

    # Publications.

    def receive(self, publication: Publication, epoch: str) -> Fill | None:
        """Take a publication from the broker."""
        if not publication.offset:
            self.audience.publish(publication)
            return None
        if self._kept is not None:
            self._kept.append((publication, epoch))
            return self.filled(None) if len(self._kept) > KEPT_LIMIT else None
        if self.position is None:
            self._keep_recent(publication, epoch)
            return None
        if epoch in self._past:
            return None
        if epoch != self.position.epoch:
            self.restart(StreamPosition(publication.offset - 1, epoch))
        elif publication.offset <= self.position.offset:
            return None
        elif publication.offset > self.position.offset + 1:
            self._kept = [(publication, epoch)]
            return Fill(self.position.offset)
        self._hand_out(publication, epoch)
        return None

    def closes(self, page: Page) -> bool:
        """Whether a page leads from the position to the end of the stream without a hole."""
        assert self.position is not None
        return recover(RecoveryMode.STREAM, self.position, page).recovered

    def missing(self, page: Page | None) -> int:
        """How many publications the gap has, as far as can be told."""
        assert self.position is not None
        if self._kept and self._kept[0][1] == self.position.epoch:
            return max(0, self._kept[0][0].offset - 1 - self.position.offset)
        return len(page.publications) if page is not None else 0

    def filled(self, page: Page | None) -> Fill | None:
        """Close a gap with what history had; None when it could not be read. May find that there is another gap.

        Does nothing when the gap was given up meanwhile.
        """
        if self._kept is None:
            return None
        kept, self._kept = self._kept, None
        assert self.position is not None
        if page is not None and self.closes(page):
            for publication in page.publications:
                self._hand_out(publication, page.top.epoch)
        elif kept:
            # What is missing cannot be had: those who were promised it are told, the others go on.
            self.restart(StreamPosition(kept[0][0].offset - 1, kept[0][1]))
        elif page is not None:
            self.restart(page.top)
        return self._receive_all(kept)

    def compare(self, top: StreamPosition, followed: str) -> Fill | None:
        """Hold the position against the end of the stream as the broker has just told it.

        `followed` is as in `accepts`. A position that is ahead of `top` is no contradiction: the answer was under way
        while publications arrived.
        """
        if self.position is None or self._kept is not None:
            return None
        if self._is_late(top.epoch, followed):
            return None
        if top.epoch != self.position.epoch:
            self.restart(top)
        elif top.offset > self.position.offset:
            self._kept = []
            return Fill(self.position.offset)
        return None

    def restart(self, position: StreamPosition) -> None:
        """Follow the stream from another position, and tell everybody who was promised continuity."""
        told = list(self.positioned)
        if self.position is not None and position.epoch != self.position.epoch:
            left = [epoch for epoch in self._past if epoch != position.epoch]
            self._past = (*left[1 - PAST_LIMIT :], self.position.epoch)
        self.position = position
        self._admit_late(everybody=True)
        for subscriber in told:
            subscriber.on_insufficient_state(self.channel)

    # Private steps.

    def _receive_all(self, kept: list[tuple[Publication, str]]) -> Fill | None:
        for index, (publication, epoch) in enumerate(kept):
            if (fill := self.receive(publication, epoch)) is not None:
                assert self._kept is not None
                self._kept.extend(kept[index + 1 :])
                return fill
        return None

    def _hand_out(self, publication: Publication, epoch: str) -> None:
        self.position = StreamPosition(publication.offset, epoch)
        self._keep_recent(publication, epoch)
        self.audience.publish(publication)
        if self.late:
            self._admit_late()

    def _keep_recent(self, publication: Publication, epoch: str) -> None:
        if self.recent is not None:
            self.recent.append((publication, epoch))

    def _join(self, subscriber: S, terms: Terms, page: Page) -> Recovery:
        assert self.position is not None
        recovery = Recovery(page.top) if terms.since is None else recover(terms.mode, terms.since, page)
        if page.top.offset > self.position.offset:
            self.late[subscriber] = (page.top.offset, terms)
            self._promise(subscriber, terms)
            return recovery
        live = self._live_since(page.top.offset)
        assert live is not None
        self._admit(subscriber, terms)
        return extend(terms.mode, recovery, live, self.position.epoch, recovering=terms.since is not None)

    def _begin(self, top: StreamPosition) -> bool:
        """Take the first position, then whatever arrived before it was known.

        Publications and page may speak of different epochs. Which is the later one only another read can tell, which
        then covers these publications.
        """
        assert self.recent is not None
        early = list(self.recent)
        self.recent.clear()
        if any(epoch != top.epoch for _, epoch in early):
            return False
        self.position = top
        for publication, epoch in early:
            if publication.offset == self.position.offset + 1:
                self._hand_out(publication, epoch)
        return True

    def _is_late(self, epoch: str, followed: str) -> bool:
        """Whether a read tells of an epoch that was left, and began before it was."""
        return epoch in self._past and followed != self.epoch

    def _live_since(self, offset: int) -> tuple[Publication, ...] | None:
        """What was handed out after `offset`; None where not all of it is kept."""
        assert self.position is not None
        missed = max(0, self.position.offset - offset)
        live = tuple(
            publication
            for publication, epoch in self.recent or ()
            if publication.offset > offset and epoch == self.position.epoch
        )
        return live if len(live) == missed else None

    def _admit_late(self, *, everybody: bool = False) -> None:
        assert self.position is not None
        for subscriber, (offset, terms) in list(self.late.items()):
            if everybody or offset <= self.position.offset:
                del self.late[subscriber]
                self._admit(subscriber, terms)

    def _admit(self, subscriber: S, terms: Terms) -> None:
        self.audience.add(subscriber, join_leave=terms.join_leave)
        self._promise(subscriber, terms)

    def _promise(self, subscriber: S, terms: Terms) -> None:
        if terms.positioned:
            self.positioned[subscriber] = None
