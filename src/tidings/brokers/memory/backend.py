"""What the nodes of one process share: subscriptions, streams and leases, in its memory.

Memory is bounded by what lives. Streams are trimmed as they grow. Whatever has expired is out of sight at once, and
removed by the calls that follow, no matter which channels they concern (`Expiring`); there is no task and no timer.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable

from msgspec import Struct

from tidings.brokers.base import IDEMPOTENCY_TTL, Accepted, Guard, Page, Receiver, Retention
from tidings.brokers.memory.expiring import Expiring
from tidings.brokers.memory.people import People
from tidings.model import ClientInfo, Publication, StreamPosition


class Statistics(Struct, frozen=True):
    """What a backend holds, including what has expired but was not swept yet.

    `subscribed`, `streams`, `retained` and `occupied` are numbers of channels: with subscribers, with a position, with
    publications, with somebody present. `results` are remembered idempotency keys, `leases` are clients in channels.
    """

    subscribed: int = 0
    streams: int = 0
    retained: int = 0
    occupied: int = 0
    results: int = 0
    leases: int = 0


class MemoryBackend:
    """What the nodes of one process share. Every method is one atomic step at the time `now`."""

    def __init__(self) -> None:
        # A tuple per channel, replaced when it changes: telling may go on over the old one.
        self._receivers: dict[str, tuple[Receiver, ...]] = {}
        self._untold: deque[tuple[str, Callable[[Receiver], None]]] = deque()
        self._telling = False
        # A stream's publications expire long before the stream does, as if they were two keys of a Redis.
        self._streams: Expiring[str, Stream] = Expiring()
        self._retained: Expiring[str, deque[Publication]] = Expiring()
        self._results: Expiring[tuple[str, str], Accepted] = Expiring()
        self._leases: Expiring[tuple[str, str], ClientInfo] = Expiring()
        self._clients: dict[str, set[str]] = {}
        self.people = People()

    def statistics(self) -> Statistics:
        return Statistics(
            subscribed=len(self._receivers),
            streams=len(self._streams),
            retained=len(self._retained),
            occupied=len(self._clients),
            results=len(self._results),
            leases=len(self._leases),
        )

    def sweep(self, now: float) -> None:
        """Remove a little of what has expired, at a small constant cost."""
        self._streams.sweep(now)
        self._retained.sweep(now)
        self._results.sweep(now)
        for channel, client in self._leases.sweep(now):
            self._remove_client(channel, client)
        self.people.sweep(now)

    # Telling the nodes

    def subscribe(self, channel: str, receiver: Receiver) -> None:
        self._receivers[channel] = (*self._receivers.get(channel, ()), receiver)

    def unsubscribe(self, channel: str, receiver: Receiver) -> None:
        remaining = tuple(each for each in self._receivers[channel] if each is not receiver)
        if remaining:
            self._receivers[channel] = remaining
        else:
            del self._receivers[channel]

    def tell(self, channel: str, news: Callable[[Receiver], None]) -> None:
        """Hand something to all who subscribed, after what is being handed out already.

        A receiver may publish from within its callback, for instance through an eager task. Told at once, the nodes
        behind it in the row would hear the second publication before the first.
        """
        self._untold.append((channel, news))
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                channel, news = self._untold.popleft()
                for receiver in self._receivers.get(channel, ()):
                    news(receiver)
        finally:
            self._telling = False

    # Publishing

    def publish(self, channel: str, publication: Publication, guard: Guard, now: float) -> Accepted:
        known = self._results.get((channel, guard.idempotency_key), now)
        if known is not None:
            return known
        accepted = self._remember(channel, guard, Accepted(), now)
        self._tell_publication(channel, _stamped(publication, 0, now), "")
        return accepted

    def append(
        self, channel: str, publication: Publication, retention: Retention, guard: Guard, now: float
    ) -> Accepted:
        known = self._results.get((channel, guard.idempotency_key), now)
        if known is not None:
            return known
        stream = self._stream(channel, retention, now)
        if stream.has_seen(guard):
            return self._remember(channel, guard, Accepted(stream.position, fresh=False), now)
        stream.advance(guard)
        kept = _stamped(publication, stream.offset, now)
        self._retain(channel, kept, retention, now)
        accepted = self._remember(channel, guard, Accepted(stream.position), now)
        self._tell_publication(channel, kept, stream.epoch)
        return accepted

    def _remember(self, channel: str, guard: Guard, accepted: Accepted, now: float) -> Accepted:
        """Note the result for whoever repeats the call; before anybody is told, who could be the one to repeat it."""
        if guard.idempotency_key:
            result = Accepted(accepted.position, fresh=False)
            self._results.set((channel, guard.idempotency_key), result, now + IDEMPOTENCY_TTL)
        return accepted

    def _tell_publication(self, channel: str, publication: Publication, epoch: str) -> None:
        self.tell(channel, lambda receiver: receiver.on_publication(channel, publication, epoch))

    # Streams

    def read(
        self, channel: str, retention: Retention, now: float, *, since: int | None, limit: int | None, reverse: bool
    ) -> Page:
        stream = self._stream(channel, retention, now)
        retained = self._retained.get(channel, now) or ()
        oldest = stream.offset - len(retained) + 1
        wanted = _select(range(oldest, stream.offset + 1), since, limit, reverse)
        # An index into a deque is found from its nearer end in steps of 64 entries.
        return Page(tuple(retained[offset - oldest] for offset in wanted), stream.position)

    def remove(self, channel: str) -> None:
        self._retained.remove(channel)

    def _stream(self, channel: str, retention: Retention, now: float) -> Stream:
        """The channel's stream, begun where there is none, and in use from now on for another `meta_ttl`."""
        stream = self._streams.get(channel, now)
        if stream is None:
            stream = Stream(secrets.token_urlsafe(6))
            self._retained.remove(channel)  # whatever an earlier life left behind has that life's offsets
        self._streams.set(channel, stream, now + retention.meta_ttl)
        return stream

    def _retain(self, channel: str, publication: Publication, retention: Retention, now: float) -> None:
        retained = self._retained.get(channel, now) or deque()
        retained.append(publication)
        while len(retained) > retention.size:
            retained.popleft()
        self._retained.set(channel, retained, now + retention.ttl)

    # Presence

    def enter(self, channel: str, info: ClientInfo, until: float) -> None:
        self._leases.set((channel, info.client), info, until)
        self._clients.setdefault(channel, set()).add(info.client)

    def leave(self, channel: str, client: str) -> None:
        self._leases.remove((channel, client))
        self._remove_client(channel, client)

    def present(self, channel: str, now: float) -> dict[str, ClientInfo]:
        leases = ((client, self._leases.get((channel, client), now)) for client in self._clients.get(channel, ()))
        return {client: info for client, info in leases if info is not None}

    def _remove_client(self, channel: str, client: str) -> None:
        clients = self._clients.get(channel, set())
        clients.discard(client)
        if not clients:
            self._clients.pop(channel, None)


class Stream(Struct):
    """What outlives a channel's publications: where the stream is, and the last version it has seen."""

    epoch: str
    offset: int = 0
    version: int = 0
    version_epoch: str = ""

    @property
    def position(self) -> StreamPosition:
        return StreamPosition(self.offset, self.epoch)

    def has_seen(self, guard: Guard) -> bool:
        return 0 < guard.version <= self.version and guard.version_epoch == self.version_epoch

    def advance(self, guard: Guard) -> None:
        """Take the next offset, for a publication that came with `guard`."""
        self.offset += 1
        if guard.version:
            self.version, self.version_epoch = guard.version, guard.version_epoch


def _stamped(publication: Publication, offset: int, now: float) -> Publication:
    return Publication(publication.data, offset, publication.info, publication.tags, now, publication.trace)


def _select(retained: range, since: int | None, limit: int | None, reverse: bool) -> range:
    """The offsets that a read asks for, in its order, out of those that are retained."""
    first, end = retained.start, retained.stop
    if reverse:
        before = range(first, end if since is None else min(since, end))
        return before[::-1][:limit]
    after = range(first if since is None else max(since + 1, first), end)
    return after[:limit]
