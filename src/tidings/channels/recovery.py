"""What a returning client has missed, decided from one read of the stream.

A client comes back with the position of the last publication it processed. Recovery succeeds when every publication
after that position can be handed over, in order and without a hole; otherwise the client is told and starts anew.
"""

from __future__ import annotations

from msgspec import Struct

from tidings.brokers.base import Page
from tidings.channels.options import RecoveryMode
from tidings.model import Publication, StreamPosition


class Recovery(Struct, frozen=True):
    """What to hand to a subscriber, and the position that its reply names.

    After `recovered` the position is the one asked for, and `publications` lead from there to the present. Otherwise
    it is the present, and there are no publications.
    """

    position: StreamPosition
    publications: tuple[Publication, ...] = ()
    recovered: bool = False


def recover(mode: RecoveryMode, since: StreamPosition, page: Page) -> Recovery:
    """Decide whether `page`, read after `since`, brings the client up to date."""
    return _recover_stream(since, page) if mode is RecoveryMode.STREAM else _recover_cache(since, page)


def _recover_stream(since: StreamPosition, page: Page) -> Recovery:
    if since.epoch in ("", page.top.epoch) and _is_continuous(since.offset, page):
        return Recovery(StreamPosition(since.offset, page.top.epoch), page.publications, recovered=True)
    return Recovery(page.top)


def _is_continuous(offset: int, page: Page) -> bool:
    """Whether the page leads from `offset` to the top without a hole. Publications of a stream are consecutive."""
    if not page.publications:
        return page.top.offset == offset
    return page.publications[0].offset == offset + 1 and page.publications[-1].offset == page.top.offset


def _recover_cache(since: StreamPosition, page: Page) -> Recovery:
    """In cache mode only the newest publication matters, and it must be the top of the stream."""
    if since == page.top:
        return Recovery(page.top, recovered=True)
    newest = page.publications[-1:]
    if newest and newest[0].offset == page.top.offset:
        return Recovery(page.top, newest, recovered=True)
    return Recovery(page.top)


def extend(
    mode: RecoveryMode, recovery: Recovery, live: tuple[Publication, ...], epoch: str, *, recovering: bool
) -> Recovery:
    """Add the live publications that followed the read, which are consecutive to it.

    From the cache, who is `recovering` gets the newest of them, whatever the read had. A subscriber to a stream that
    did not recover begins after them instead: it is told the newer position, and misses nothing that it was promised.
    """
    if not live:
        return recovery
    top = StreamPosition(live[-1].offset, epoch)
    if mode is RecoveryMode.CACHE and recovering:
        return Recovery(top, live[-1:], recovered=True)
    if recovery.recovered:
        return Recovery(recovery.position, recovery.publications + live, recovered=True)
    return Recovery(top)
