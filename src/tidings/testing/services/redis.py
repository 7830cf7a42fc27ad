"""Redis: one server."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import RedisError
from redis.retry import Retry

from tidings.testing.services.base import HOST
from tidings.testing.services.block import ServiceError
from tidings.testing.services.container import Container
from tidings.testing.services.shared import SharedService

SHORT = 1.0
"""Seconds for an answer of a server of this machine that is well."""


class RedisServer(SharedService):
    """A Redis that keeps nothing on disk, unless `persistent`; then it survives `kill` and `restart` with its data.

    `options` are directives of redis.conf, such as `maxmemory="32mb"` or `save="900 1"`, written as they are there. A
    `directory` of your own keeps the data of a persistent one from block to block.
    """

    name = "redis"
    variables: ClassVar[tuple[str, ...]] = ("REDIS_TEST_URL", "REDIS_URL")
    schemes = ("redis", "rediss", "unix")
    programs = ("redis-server",)
    package = "redis-server"
    image, image_port = "redis:7-alpine", 6379
    hints: ClassVar[Mapping[str, str]] = {
        **SharedService.hints,
        "wrong signature": "The data directory is of another program or version; remove it.",
        "can't handle rdb format": "The data directory is of a newer Redis; remove it.",
        "bad file format reading the append only file": "The data directory is damaged; remove it.",
        "fatal config file error": "This Redis does not know one of the options, or not with such a value.",
        "oom command not allowed": "The memory that `maxmemory` allows is full.",
    }

    def __init__(self, *, persistent: bool = False, directory: Path | str | None = None, **options: str) -> None:
        super().__init__(directory=directory)
        self._persistent = persistent
        self._options = options

    @property
    def url(self) -> str:
        password = quote(self._options.get("requirepass", ""), safe="")
        return self.given or f"redis://{f':{password}@' if password else ''}{HOST}:{self.port}/0"

    def directives(self) -> Mapping[str, str]:
        """What redis.conf says."""
        own = {
            "port": str(self.port),
            "bind": HOST,
            "dir": str(self.directory),
            "repl-diskless-sync-delay": "0",  # A replica is served at once: no other one will come.
        }
        if redis_version(redis_program()) >= (7, 0):
            own["enable-debug-command"] = "local"  # Faults let a server sleep.
            own["shutdown-timeout"] = "0"  # It need not wait for its replicas.
        return {**own, **self._wishes()}

    def prepare(self) -> None:
        lines = [f"{name} {value or QUOTED_NOTHING}\n" for name, value in self.directives().items()]
        (self.directory / "redis.conf").write_text("".join(lines))

    def command(self) -> list[str]:
        return [redis_program(), str(self.directory / "redis.conf")]

    def container(self) -> Container:
        """The image's Redis, open to those who come through the published port, which is on the loopback only."""
        own = {"protected-mode": "no", "enable-debug-command": "yes", "shutdown-timeout": "0"}
        words = [(f"--{name}", *(shlex.split(value) or [""])) for name, value in {**own, **self._wishes()}.items()]
        return Container(
            self.image, self.image_port, published=self.port, arguments=["redis-server", *chain.from_iterable(words)]
        )

    def is_ready(self) -> bool:
        with suppress(RedisError, OSError):
            return bool(ask(self.url, "PING"))
        return False

    def ask(self, *command: object) -> Any:
        """The answer to one command, over a connection of its own. Raises redis-py's errors."""
        return ask(self.url, *command, timeout=self.patience, as_text=False)

    def clear(self) -> None:
        """Forget all keys of the database that `url` names, and nothing of others.

        Raises `ServiceError` for database 0 of a server that is given: that is where everybody keeps everything.
        """
        if self.given and not database_of(self.given):
            raise ServiceError(
                f"{self.variable()} names database 0 of a server that is not ours, and its keys are not forgotten: "
                "name another database that is only for tests, such as redis://…/9, or unset the variable."
            )
        self.ask("FLUSHDB")

    def _wishes(self) -> Mapping[str, str]:
        """What is asked of it, wherever it runs."""
        saving = {"appendonly": "yes", "appendfsync": "always"} if self._persistent else {"save": ""}
        return {**saving, **{name.replace("_", "-"): value for name, value in self._options.items()}}


class RedisMember(RedisServer):
    """A server that belongs to several, and so is never one that the environment names."""

    variables = ()

    def __init__(self, **options: str) -> None:
        super().__init__(persistent=False, directory=None, **options)


QUOTED_NOTHING = '""'


def ask(url: str, *command: object, timeout: float = SHORT, as_text: bool = True) -> Any:
    """The answer of a server to one command, without a second try. Raises redis-py's errors."""
    once = Retry(NoBackoff(), 0)
    with Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=SHORT, retry=once, decode_responses=as_text
    ) as client:
        return client.execute_command(*command)


def database_of(url: str) -> int:
    """The number of the database that an address names."""
    with ConnectionPool.from_url(url) as pool:
        return int(pool.connection_kwargs.get("db") or 0)


def redis_program() -> str:
    program = RedisServer.find("redis-server")
    assert program is not None
    return program


@cache
def redis_version(program: str) -> tuple[int, int]:
    """Of a Redis that is installed here; (0, 0) if it does not tell."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10.0, check=False)
    found = re.search(r"v=(\d+)\.(\d+)", told.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)
