"""Faults of a Redis, done by its own commands, on a `RedisServer` or whatever else has its `ask`.

Each is undone at the end of its block, except those that are over at once: killed clients and flushed scripts do not
come back, and whoever needs them connects or loads again.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from typing import Any, ClassVar, Protocol

from redis.exceptions import RedisError

from tidings.testing.faults.errors import FaultError
from tidings.testing.faults.fault import Fault, counted

NOBODY = ("127.0.0.1", "1")
"""A master that never answers."""

_turns: dict[str, threading.Lock] = {}
"""One command of ours at a time at each server, since one that kills clients would kill the others' connections too."""


class AsksRedis(Protocol):
    """A Redis that can be asked one command, over a connection of its own."""

    @property
    def url(self) -> str: ...

    def ask(self, *command: object) -> object: ...


class RedisFault(Fault):
    verb: ClassVar[str] = ""

    def __init__(self, redis: AsksRedis) -> None:
        self._redis = redis
        self._did = ""

    @property
    def name(self) -> str:
        return f"{self.verb} of redis"

    def effect(self) -> str:
        return self._did

    def _ask(self, *command: object) -> Any:
        try:
            with _turns.setdefault(self._redis.url, threading.Lock()):
                return self._redis.ask(*command)
        except (RedisError, OSError) as error:
            raise FaultError(f"Cannot do {self.name} at {self._redis.url}: {error}") from error


class KillClients(RedisFault):
    """Ends the connections of one type: "normal", "pubsub", "replica" or "master"; "" for all clients."""

    verb = "client kill"

    def __init__(self, redis: AsksRedis, *, kind: str = "") -> None:
        super().__init__(redis)
        self._kinds = [kind] if kind else ["normal", "pubsub"]

    @property
    def name(self) -> str:
        return f"{self.verb} {' and '.join(self._kinds)} of redis"

    def begin(self) -> None:
        killed = sum(int(self._ask("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")) for kind in self._kinds)
        self._did = f"ended {counted(killed, 'client')}" if killed else ""


class PauseClients(RedisFault):
    """For `seconds` no command is carried out, or no write; those that come meanwhile wait.

    Redis hears nobody while all commands are paused, so that such a pause has its length; the end of the block waits
    for it. A pause of writes ends with the block. It has an effect if there are clients.
    """

    verb = "client pause"

    def __init__(self, redis: AsksRedis, *, seconds: float, writes_only: bool = False) -> None:
        super().__init__(redis)
        self._seconds = seconds
        self._mode = "WRITE" if writes_only else "ALL"
        self._is_on = False

    def begin(self) -> None:
        others = _clients(self._ask("CLIENT", "LIST"))
        self._ask("CLIENT", "PAUSE", int(self._seconds * 1000), self._mode)
        self._is_on = True
        self._did = f"paused {counted(others, 'client')}" if others else ""

    def end(self) -> None:
        if self._is_on:
            self._ask("CLIENT", "UNPAUSE")
        self._is_on = False


class Sleep(RedisFault):
    """The whole server sleeps for `seconds`: it accepts connections and answers nobody.

    Returns when it is awake again. It has an effect if there are clients. Needs a Redis that allows DEBUG, which
    `RedisServer` does.
    """

    verb = "debug sleep"

    def __init__(self, redis: AsksRedis, *, seconds: float) -> None:
        super().__init__(redis)
        self._seconds = seconds

    def begin(self) -> None:
        others = _clients(self._ask("CLIENT", "LIST"))
        self._ask("DEBUG", "SLEEP", self._seconds)
        self._did = f"let {counted(others, 'client')} wait for {self._seconds:g} s" if others else ""


class Refusing(RedisFault):
    """What makes Redis refuse commands: it has an effect if one was refused. Redis counts that itself."""

    error: ClassVar[str]
    """The word that the refusal begins with."""

    def __init__(self, redis: AsksRedis) -> None:
        super().__init__(redis)
        self._before = 0
        self._is_on = False

    def begin(self) -> None:
        self._before = self._refused()
        self.turn_on()
        self._is_on = True

    def end(self) -> None:
        if self._is_on:
            self._is_on = False
            self._note()
            self.turn_off()

    def effect(self) -> str:
        if self._is_on:
            self._note()
        return self._did

    @abstractmethod
    def turn_on(self) -> None:
        """Let Redis refuse commands from now on."""

    @abstractmethod
    def turn_off(self) -> None:
        """Let it take them again."""

    def _note(self) -> None:
        refused = self._refused() - self._before
        self._did = f"refused {counted(refused, 'command')} with {self.error}" if refused > 0 else ""

    def _refused(self) -> int:
        found = self._ask("INFO", "errorstats").get(f"errorstat_{self.error}", {})
        return int(found["count"]) if found else 0


class OutOfMemory(Refusing):
    """Every command that might need memory is refused, and nothing is evicted to make room."""

    verb = "out of memory"
    error = "OOM"

    def __init__(self, redis: AsksRedis) -> None:
        super().__init__(redis)
        self._settings: dict[str, str] = {}

    def turn_on(self) -> None:
        self._settings = {name: self._setting(name) for name in ("maxmemory", "maxmemory-policy")}
        self._ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1")

    def turn_off(self) -> None:
        self._ask("CONFIG", "SET", *(part for setting in self._settings.items() for part in setting))

    def _setting(self, name: str) -> str:
        return str(self._ask("CONFIG", "GET", name)[name.encode()], "ascii")


class ReadOnly(Refusing):
    """It is the replica of a master that does not answer: it reads, and refuses writes. Afterwards it is a master."""

    verb = "read-only replica"
    error = "READONLY"

    def turn_on(self) -> None:
        if self._ask("INFO", "replication")["role"] != "master":
            raise FaultError(f"Redis at {self._redis.url} is a replica already, and so read-only without this.")
        self._ask("REPLICAOF", *NOBODY)

    def turn_off(self) -> None:
        self._ask("REPLICAOF", "NO", "ONE")


class FlushScripts(RedisFault):
    """Redis forgets the scripts that were loaded; EVALSHA then answers NOSCRIPT. It has an effect if there were any."""

    verb = "script flush"

    def begin(self) -> None:
        scripts = int(self._ask("INFO", "memory").get("number_of_cached_scripts", 0))
        self._ask("SCRIPT", "FLUSH", "SYNC")
        self._did = f"flushed {counted(scripts, 'script')}" if scripts else ""


def _clients(listed: bytes) -> int:
    """How many clients CLIENT LIST names besides the one that asked."""
    return listed.count(b"\n") - 1
