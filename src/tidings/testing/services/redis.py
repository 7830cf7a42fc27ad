"""Redis: one server."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar

from redis import Redis
from redis.exceptions import RedisError

from tidings.testing.services.base import HOST, SharedService


class RedisServer(SharedService):
    """A Redis that keeps nothing on disk, unless `persistent`; then it survives `kill` and `restart` with its data.

    `options` are configuration directives, such as `maxmemory="32mb"`.
    """

    name = "redis"
    variables = ("REDIS_URL", "REDIS_TEST_URL")
    programs = ("redis-server",)
    package = "redis-server"
    image, image_port = "redis:7-alpine", 6379
    hints: ClassVar[Mapping[str, str]] = {
        **SharedService.hints,
        "wrong signature": "The data directory is of another program or version; remove it.",
        "can't handle rdb format": "The data directory is of a newer Redis; remove it.",
        "bad file format reading the append only file": "The data directory is damaged; remove it.",
        "bad directive": "This Redis does not know one of the options.",
    }

    def __init__(self, *, persistent: bool = False, **options: str) -> None:
        super().__init__()
        self._persistent = persistent
        self._options = options

    @property
    def url(self) -> str:
        return self.given or f"redis://{HOST}:{self.port}/0"

    def command(self) -> list[str]:
        program = self.find("redis-server")
        assert program is not None
        command = [program, "--port", str(self.port), "--bind", HOST, "--dir", str(self.directory)]
        # Faults let a server sleep; only a client of this machine may ask for it.
        command += ["--enable-debug-command", "local"]
        command += ["--appendonly", "yes", "--appendfsync", "always"] if self._persistent else ["--save", ""]
        for name, value in self._options.items():
            command += [f"--{name.replace('_', '-')}", value]
        return command

    def is_ready(self) -> bool:
        with suppress(RedisError, OSError):
            return bool(self.ask("PING"))
        return False

    def ask(self, *command: object) -> object:
        """The answer to one command, over a connection of its own. Raises redis-py's errors."""
        with Redis.from_url(self.url, socket_timeout=self.patience, socket_connect_timeout=1.0) as client:
            return client.execute_command(*command)

    def clear(self) -> None:
        """Forget all keys of the database that `url` names, and nothing of others."""
        self.ask("FLUSHDB")
