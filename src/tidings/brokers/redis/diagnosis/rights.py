"""Everything that the broker will ask of a server, as attempts on keys that nobody uses.

Permissions can be given by command, by key and by pub/sub channel, and by combinations of these; the one way to know
is to try. The names are those of a channel, a user and a node that do not exist. What is written there lives for a
minute, if it is not removed at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from tidings.brokers.redis import scripts
from tidings.brokers.redis.keys import Keys
from tidings.brokers.redis.line import Word

LIFE_MS = 60_000

CONTAINERS = ("client", "cluster", "script")
"""Commands that mean something only with the next word, which permissions name as well."""

NOBODY = 2**62
"""The number of a connection that no server has come to yet."""


class Attempt(Struct, frozen=True):
    """A command. `listens` says that it is one of those that are confirmed by messages."""

    words: tuple[Word, ...]
    listens: bool = False

    @property
    def name(self) -> str:
        """As permissions name it."""
        first = bytes(self.words[0]).decode().lower()  # type: ignore[arg-type]
        if first in CONTAINERS:
            return f"{first}|{bytes(self.words[1]).decode().lower()}"  # type: ignore[arg-type]
        return first


def preparing(keys: Keys, name: str) -> Iterator[Attempt]:
    """What has to succeed before anything may be written."""
    yield Attempt((b"DEL", keys.stream(name)))
    yield Attempt((b"PEXPIRE", keys.stream(name), LIFE_MS))


def trying(keys: Keys, name: str, node: str, *, clustered: bool, with_nodes: bool) -> Iterator[Attempt]:
    """Everything else, with a name for channels and users and one for a node, whose slots may differ.

    `with_nodes`: with the keys of all nodes as well, which in a cluster are on one server.
    """
    yield from _on_keys(keys, name)
    if with_nodes:
        yield Attempt((b"ZREM", keys.node_leases(), name))
        yield Attempt((b"HDEL", keys.node_cards(), name))
    yield Attempt((b"PING",))
    yield Attempt((b"INFO", b"replication"))
    yield Attempt((b"TIME",))
    yield Attempt((b"CLIENT", b"KILL", b"ID", NOBODY))
    yield Attempt((b"SCRIPT", b"LOAD", scripts.PRESENT.text))
    places = (2, keys.leases(name), keys.present(name))
    yield Attempt((b"EVALSHA", scripts.PRESENT.digest, *places))
    yield Attempt((b"EVAL", scripts.PRESENT.text, *places))
    publish, subscribe, unsubscribe = (b"PUBLISH", b"SUBSCRIBE", b"UNSUBSCRIBE")
    if clustered:
        publish, subscribe, unsubscribe = (b"SPUBLISH", b"SSUBSCRIBE", b"SUNSUBSCRIBE")
        yield Attempt((b"CLUSTER", b"SLOTS"))
    for channel in (keys.bus(name), keys.control(node)):
        yield Attempt((publish, channel, b""))
        yield Attempt((subscribe, channel), listens=True)
        yield Attempt((unsubscribe, channel), listens=True)
    for key in _hashes(keys, name):
        yield Attempt((b"DEL", key))
    for key in (keys.once(name, name), keys.stream(name), keys.leases(name), keys.user(name)):
        yield Attempt((b"DEL", key))


def _hashes(keys: Keys, name: str) -> list[str]:
    return [keys.meta(name), keys.present(name), keys.kept(name), keys.connections(name)]


def _on_keys(keys: Keys, name: str) -> Iterator[Attempt]:
    once, stream = keys.once(name, name), keys.stream(name)
    yield Attempt((b"SET", once, b"x", b"PX", LIFE_MS))
    yield Attempt((b"GET", once))
    yield Attempt((b"XADD", stream, b"MAXLEN", b"=", 1, b"1-0", b"b", b"x"))
    yield Attempt((b"PEXPIRE", stream, LIFE_MS))
    yield Attempt((b"XRANGE", stream, b"(0-0", b"+"))
    yield Attempt((b"XREVRANGE", stream, b"+", b"-"))
    for key in _hashes(keys, name):
        yield Attempt((b"HSET", key, b"x", b"x"))
        yield Attempt((b"PEXPIRE", key, LIFE_MS))
        yield Attempt((b"HMGET", key, b"x"))
        yield Attempt((b"HVALS", key))
        yield Attempt((b"HGETALL", key))
        yield Attempt((b"HDEL", key, b"x"))
    for key in (keys.leases(name), keys.user(name)):
        yield Attempt((b"ZADD", key, 1, b"x"))
        yield Attempt((b"PEXPIRE", key, LIFE_MS))
        yield Attempt((b"PTTL", key))
        yield Attempt((b"ZCARD", key))
        yield Attempt((b"ZSCORE", key, b"x"))
        yield Attempt((b"ZRANGE", key, 0, -1))
        yield Attempt((b"ZRANGEBYSCORE", key, b"-inf", 0))
        yield Attempt((b"ZREM", key, b"x"))
