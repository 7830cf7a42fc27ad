"""The ways to publish. Each is a block that yields what one thread calls, as often as it likes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import cent
import httpx2
import requests

from benchmarks.servers import API_KEY
from tidings import Publisher

CHANNEL = "kept:bench"
DATA = {"text": "x" * 87}
"""100 bytes of JSON."""

SETTINGS = {"channels": {"namespaces": {"kept": {"history_size": 100, "history_ttl": 60.0}}}}

Publish = Callable[[], object]
Way = Callable[["Places"], AbstractContextManager[Publish]]


@dataclass(frozen=True)
class Places:
    """Where the server and the Redis are."""

    server: str
    redis: str


@contextmanager
def publisher(places: Places) -> Iterator[Publish]:
    with Publisher(places.server, key=API_KEY, timeout=60.0) as ours:
        yield lambda: ours.publish(CHANNEL, DATA)


@contextmanager
def through_redis(places: Places) -> Iterator[Publish]:
    with Publisher(places.redis, settings=SETTINGS, timeout=60.0) as ours:
        yield lambda: ours.publish(CHANNEL, DATA)


@contextmanager
def loop_of_requests(places: Places) -> Iterator[Publish]:
    """`requests`, with a session for each thread, which keeps its connection."""
    sessions = _ForEachThread(requests.Session)
    url, headers, body = f"{places.server}/api/publish", {"X-API-Key": API_KEY}, {"channel": CHANNEL, "data": DATA}
    yield lambda: sessions.mine().post(url, json=body, headers=headers).raise_for_status()
    sessions.close()


@contextmanager
def loop_of_httpx2(places: Places) -> Iterator[Publish]:
    """`httpx2`, with one client, which threads may share."""
    with httpx2.Client(headers={"X-API-Key": API_KEY}, timeout=60.0) as client:
        url, body = f"{places.server}/api/publish", {"channel": CHANNEL, "data": DATA}
        yield lambda: client.post(url, json=body).raise_for_status()


@contextmanager
def loop_of_cent(places: Places) -> Iterator[Publish]:
    """`cent`, with a client for each thread, since its session is not to be shared."""
    clients = _ForEachThread(lambda: cent.Client(f"{places.server}/api", API_KEY, timeout=60.0))
    yield lambda: clients.mine().publish(cent.PublishRequest(channel=CHANNEL, data=DATA))
    clients.close()


WAYS: dict[str, Way] = {
    "Publisher": publisher,
    "requests": loop_of_requests,
    "httpx2": loop_of_httpx2,
    "cent": loop_of_cent,
    "Publisher, Redis": through_redis,
}


class _ForEachThread:
    """Something that each thread has its own of, made when it first asks."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._local = threading.local()
        self._all: list[Any] = []

    def mine(self) -> Any:
        if not hasattr(self._local, "own"):
            self._local.own = self._make()
            self._all.append(self._local.own)
        return self._local.own

    def close(self) -> None:
        for each in self._all:
            getattr(each, "_session", each).close()  # cent has its own session, and no public way to close it
