"""The paths from a publisher to a client that are compared, each with the programs that it is made of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import ClassVar

from benchmarks.faults.program import Program
from tidings.testing.services import RedisServer, TidingsNode

KEY = "benchmarks"
KEPT, PLAIN = "kept:news", "plain:news"
HISTORY = 2000
"""More than what is published in a run."""


class OwnRedis(RedisServer):
    """One that is always started here: what belongs to somebody else cannot be killed."""

    variables: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Place:
    """Where a run happens: its Redis, a directory for what its programs write, and the Python of the peers."""

    redis: RedisServer
    directory: File
    peers: str
    stack: ExitStack

    def peer(self, script: str, *arguments: str) -> Program:
        return self._start(self.peers, script, *arguments)

    def own(self, script: str, *arguments: str) -> Program:
        return self._start(sys.executable, script, *arguments)

    def _start(self, python: str, script: str, *arguments: str) -> Program:
        log = self.directory / "programs.log"
        return self.stack.enter_context(Program(python, script, *arguments, log=log))


@dataclass(frozen=True)
class Cast:
    """Who publishes, and who listens. `history` is where the listener writes down what the delivery checker reads."""

    sender: Program
    hearer: Program
    history: File | None = None


@dataclass(frozen=True)
class Path:
    """A row of the table. `starts` starts everything, listener before sender, and returns when the listener hears.

    `channel` is that of Tidings, `is_kept` says that it has history. `redis` are directives of redis.conf."""

    key: str
    title: str
    starts: Callable[[Place], Cast]
    channel: str = ""
    is_kept: bool = False
    is_peer: bool = True
    redis: dict[str, str] = field(default_factory=dict)

    def server(self) -> RedisServer:
        return OwnRedis(persistent=bool(self.redis), **self.redis)


def sockets(place: Place) -> Cast:
    serving = place.peer("sockets.py", "serve", place.redis.url)
    hearer = place.peer("sockets.py", "hear", serving.wait_for("ready").url)
    hearer.wait_for("ready")
    return Cast(place.peer("sockets.py", "send", place.redis.url), hearer)


def layer(kind: str, hears: str) -> Callable[[Place], Cast]:
    def starts(place: Place) -> Cast:
        hearer = place.peer("layer.py", hears, kind, place.redis.url)
        hearer.wait_for("ready")
        return Cast(place.peer("layer.py", "send", kind, place.redis.url), hearer)

    return starts


def broadcast(place: Place) -> Cast:
    hearer = place.peer("broadcast.py", "hear", place.redis.url)
    hearer.wait_for("ready")
    return Cast(place.peer("broadcast.py", "send", place.redis.url), hearer)


def tidings(channel: str) -> Callable[[Place], Cast]:
    def starts(place: Place) -> Cast:
        one, other = (place.stack.enter_context(TidingsNode(settings(place.redis.url))) for _ in range(2))
        file = place.directory / "heard.jsonl"
        hearer = place.own("ours.py", "hear", other.websocket, channel, str(file))
        hearer.wait_for("ready")
        return Cast(place.own("ours.py", "send", one.url, KEY, channel), hearer, file)

    return starts


def settings(url: str) -> dict[str, object]:
    """Tidings' own defaults, but for what is published and who may listen."""
    kept = {"allow_subscribe_for_client": True, "history_size": HISTORY, "history_ttl": 300.0, "force_recovery": True}
    return {
        "api": {"key": KEY},
        "client": {"insecure": True},
        "broker": {"url": url},
        "channels": {"namespaces": {"kept": kept, "plain": {"allow_subscribe_for_client": True}}},
    }


CORE, PUBSUB = "channels_redis.core.RedisChannelLayer", "channels_redis.pubsub.RedisPubSubChannelLayer"
EVERY_SECOND = {"appendfsync": "everysec"}

PATHS = [
    Path("socketio", "python-socketio `AsyncRedisManager`", sockets),
    Path("core", "channels_redis core", layer(CORE, "hear")),
    Path("core-anew", "channels_redis core, consumer started anew", layer(CORE, "hear-anew")),
    Path("pubsub", "channels_redis pubsub", layer(PUBSUB, "hear")),
    Path("broadcaster", "encode/broadcaster", broadcast),
    Path("plain", "Tidings, without history", tidings(PLAIN), PLAIN, is_peer=False),
    Path("kept", "Tidings, with history", tidings(KEPT), KEPT, is_kept=True, is_peer=False),
    Path(
        "plain-aof", "Tidings, without history, Redis on disk", tidings(PLAIN), PLAIN, is_peer=False, redis=EVERY_SECOND
    ),
    Path(
        "kept-aof",
        "Tidings, with history, Redis on disk",
        tidings(KEPT),
        KEPT,
        is_kept=True,
        is_peer=False,
        redis=EVERY_SECOND,
    ),
]
