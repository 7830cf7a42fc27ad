"""One worker: a server like any other, which stops when its supervisor lets go of it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn
from msgspec import Struct

from tidings.app import lifecycle
from tidings.app.settings import Settings
from tidings.app.tidings import Tidings
from tidings.app.workers.exchange import Exchange
from tidings.errors import BrokerUnavailable, TidingsError

LOGGER = logging.getLogger("tidings")

NODE = b"node:"
"""Before the id of its node, the first that it says."""
READY = b"ready\n"
FAREWELL = b"farewell:"
"""Before the sentence of a worker that cannot go on; it is the last that it says."""

MARGIN = 8.0
"""Seconds for handlers to hear of the end, beyond all that a server takes to stop."""


class Post(Struct, frozen=True):
    """What a worker gets from its supervisor. `lifeline` ends with that, `news` is read there.

    In `directory` the workers meet. `predecessor` is the node of the worker that had this number before and died.
    """

    number: int
    lifeline: int
    news: int
    directory: Path
    predecessor: str = ""


def patience(settings: Settings) -> float:
    """How many seconds a worker may take to stop."""
    return settings.server.drain_timeout + lifecycle.GOODBYE + MARGIN


def sentence(said: bytes) -> str:
    """Why a worker could not go on, by all that it has said; "" where it did not say."""
    return said.partition(FAREWELL)[2].decode()


def node(said: bytes) -> str:
    """The node of the worker, by all that it has said; "" before it said so."""
    return said.partition(NODE)[2].partition(b"\n")[0].decode()


def work(make_hub: Callable[[], Tidings], bound: Sequence[socket.socket], post: Post) -> int:
    """Serve until the supervisor lets go. Returns the exit code."""
    try:
        hub = make_hub()
        lifecycle.open_many_files()
        _Server(hub, post).run(sockets=[*bound])
    except TidingsError as error:
        os.write(post.news, FAREWELL + error.message.encode())
        return 1
    except Exception:
        LOGGER.exception("worker failed")
        return 1
    return 0


class _Server(lifecycle.Server):
    """A server that stops on one signal more or less, and tells the other workers its numbers."""

    signals = (signal.SIGTERM,)

    def __init__(self, hub: Tidings, post: Post) -> None:
        super().__init__(hub, lambda: _tell_ready(post))
        self._node = hub.node
        self._post = post
        metrics = hub.metrics
        metrics.worker = str(post.number)
        self._exchange = Exchange(post.directory, metrics.worker, metrics.read)
        metrics.others = self._exchange.others
        threading.Thread(
            target=_stop_with_supervisor,
            args=(self, post.lifeline, patience(hub.settings)),
            name="lifeline",
            daemon=True,
        ).start()

    def handle_exit(self, sig: int, frame: object) -> None:
        """However many come, they mean one thing; whoever wants it at once tells the supervisor."""
        self.should_exit = True

    def handle_hangup(self, sig: int, frame: object) -> None:
        """Whether the terminal is gone is the supervisor's business."""
        self._hub.renewal.hasten()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._exchange.start()
        os.write(self._post.news, NODE + self._node.id.encode() + b"\n")
        await super().startup(sockets)
        if self._post.predecessor:
            with suppress(BrokerUnavailable):  # Its leases end by themselves, if later.
                await self._node.bury(self._post.predecessor)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        await self._exchange.stop()


def _tell_ready(post: Post) -> None:
    os.write(post.news, READY)


def _stop_with_supervisor(server: uvicorn.Server, lifeline: int, patience: float) -> None:
    """Runs in a thread, which notices even while the loop is held up."""
    os.read(lifeline, 1)  # Returns when nobody holds the other end any more.
    server.should_exit = True
    time.sleep(patience)
    os._exit(1)
