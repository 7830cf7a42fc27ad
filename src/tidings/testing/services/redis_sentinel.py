"""Redis with Sentinel: a master, a replica, and those who watch both and tell clients which is the master."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from tidings.testing.services.base import HOST, Service, ask_until
from tidings.testing.services.block import ServiceError
from tidings.testing.services.group import Group
from tidings.testing.services.redis import RedisMember, RedisServer, ask, redis_program

Address = tuple[str, int]

HASTE = ("PUBLISH-PERIOD", 200, "INFO-PERIOD", 500, "PING-PERIOD", 200)
"""Milliseconds between two signs of life. Sentinels that watch machines take seconds to hear of each other."""


class RedisSentinel(Group):
    """`url` is `redis+sentinel://HOST:PORT,HOST:PORT,HOST:PORT/SERVICE`, with as many addresses as there are sentinels.

    A master that does not answer for `down_after` seconds is replaced by its replica. Who is master and who is replica
    is asked for whenever `master` or `replica` is read, so after a failover each is another program than before.
    """

    name = "sentinel"
    variables = ("REDIS_SENTINEL_URL",)
    schemes = ("redis+sentinel", "rediss+sentinel")
    programs = ("redis-server",)
    package = "redis-server"

    def __init__(self, *, sentinels: int = 3, service: str = "tests", down_after: float = 1.0, **options: str) -> None:
        super().__init__()
        self._count = sentinels
        self._service = service
        self._down_after = down_after
        self._options = options

    @property
    def url(self) -> str:
        where = ",".join(f"{host}:{port}" for host, port in self.addresses)
        return self.given or f"redis+sentinel://{where}/{self.service}"

    @property
    def service(self) -> str:
        """The name under which the sentinels know the master."""
        return urlsplit(self.given).path.strip("/").partition("/")[0] if self.given else self._service

    @property
    def addresses(self) -> Sequence[Address]:
        """Where the sentinels are."""
        if not self.given:
            return [(HOST, sentinel.port) for sentinel in self.sentinels]
        places = urlsplit(self.given).netloc.rpartition("@")[2].split(",")
        return [(host, int(port or 26379)) for host, _, port in (place.partition(":") for place in places)]

    @property
    def sentinels(self) -> Sequence[SentinelServer]:
        return [member for member in self.members if isinstance(member, SentinelServer)]

    @property
    def servers(self) -> Sequence[RedisServer]:
        """Both servers, in the order in which they were started."""
        return [member for member in self.members if isinstance(member, RedisServer)]

    @property
    def master(self) -> RedisServer:
        """The server that clients are told to use. Raises `ServiceError` when no sentinel answers."""
        self.refuse_given("touched")
        return next(server for server in self.servers if (HOST, server.port) == self.master_address)

    @property
    def replica(self) -> RedisServer:
        """The server that clients are not told to use."""
        master = self.master
        return next(server for server in self.servers if server is not master)

    @property
    def master_address(self) -> Address:
        """What clients are told. Raises `ServiceError` when no sentinel answers."""
        told = self._told()
        if not told:
            raise ServiceError(f"No sentinel tells who is the master of {self.service!r}.\n{self.report()}")
        return told[0]

    def failover(self) -> None:
        """Make the replica the master, and return when all sentinels that answer tell clients so.

        It matters not whether the master runs. Raises `ServiceError` if it does not happen in time.
        """
        self.refuse_given("failed over")
        before = self.master_address
        if not ask_until(lambda: self._is_told_another_than(before) or self._asked_for_failover(), self.patience):
            raise ServiceError(f"No sentinel takes up a failover.\n{self.report()}")
        if not ask_until(lambda: self._is_told_another_than(before), self.patience):
            raise ServiceError(f"{before[1]} is still told to be the master.\n{self.report()}")

    def clear(self) -> None:
        """Forget all keys. Raises `ServiceError` for a group that is given."""
        self.refuse_given("emptied")
        self.master.clear()

    def assemble(self) -> Iterator[Service]:
        master = RedisMember(**self._options)
        yield master
        replica = RedisMember(replicaof=f"{HOST} {master.port}", **self._options)
        yield replica
        # A sentinel asks the master for its replicas when it starts, and then only every ten seconds.
        ask_until(lambda: self._is_unwanted or _is_linked(replica), self.patience)
        watch = {
            "monitor": f"{HOST} {master.port} {self._count // 2 + 1}",
            "down-after-milliseconds": f"{self._down_after * 1000:.0f}",
            "failover-timeout": "2000",  # After a vote that nobody has won they wait twice as long.
        }
        for _ in range(self._count):
            yield SentinelServer(self._service, watch)

    def trouble(self) -> str:
        if self.given:
            return "" if self._told() else f"no sentinel tells who is the master of {self.service!r}"
        for sentinel in self.sentinels:
            try:
                master = sentinel.ask("SENTINEL MASTER", self._service)
                replicas = sentinel.ask("SENTINEL REPLICAS", self._service)
            except (RedisError, OSError) as error:
                return f"the sentinel on {sentinel.port} does not answer: {error}"
            if missing := _missing(master, replicas, self._count):
                return f"the sentinel on {sentinel.port} sees {missing}"
        return "" if len({*self._told()}) == 1 else "the sentinels do not tell the same master"

    # Private steps.

    def _told(self) -> Sequence[Address]:
        """What clients are told, by each sentinel that answers."""
        told = []
        for host, port in self.addresses:
            with suppress(RedisError, OSError):
                answer = ask(f"redis://{host}:{port}", "SENTINEL GET-MASTER-ADDR-BY-NAME", self.service)
                told += [(answer[0], int(answer[1]))] if answer else []
        return told

    def _is_told_another_than(self, before: Address) -> bool:
        told = self._told()
        return bool(told) and before not in told

    def _asked_for_failover(self) -> bool:
        """Whether a sentinel has taken it up; a refusal, such as one that is under way, is not final."""
        for sentinel in self.sentinels:
            with suppress(RedisError, OSError):
                sentinel.ask("SENTINEL FAILOVER", self._service)
                return True
        return False


class SentinelServer(Service):
    """One who watches the master of a service, as the options say."""

    name = "sentinel"

    def __init__(self, service: str, watch: dict[str, str]) -> None:
        super().__init__()
        self._service = service
        self._watch = watch

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}"

    def prepare(self) -> None:
        lines = [f"port {self.port}", f"bind {HOST}", f"dir {self.directory}"]
        lines += [f"sentinel {option} {self._service} {value}" for option, value in self._watch.items()]
        self._config.write_text("\n".join([*lines, ""]))

    def command(self) -> list[str]:
        return [redis_program(), str(self._config), "--sentinel"]

    def is_ready(self) -> bool:
        with suppress(RedisError, OSError):
            return bool(self.ask("PING"))
        return False

    def ask(self, *command: object) -> Any:
        """The answer to one command. Raises redis-py's errors."""
        return ask(self.url, *command)

    def _launch(self) -> None:
        super()._launch()
        with suppress(RedisError):  # A sentinel before 7.0 knows no haste.
            self.ask("SENTINEL DEBUG", *HASTE)

    @property
    def _config(self) -> Path:
        return self.directory / "sentinel.conf"


def _is_linked(replica: RedisServer) -> bool:
    with suppress(RedisError, OSError):
        return bool(ask(replica.url, "INFO", "replication")["master_link_status"] == "up")
    return False


def _missing(master: Mapping[str, Any], replicas: Sequence[Mapping[str, Any]], count: int) -> str:
    """What one sentinel still misses, for it to be of use in a failover."""
    if "down" in master["flags"]:
        return "a master that does not answer"
    if not [one for one in replicas if one["master-link-status"] == "ok" and "down" not in one["flags"]]:
        return "no replica that follows the master"
    others = int(master["num-other-sentinels"])
    return f"{others} other sentinels of {count - 1}" if others != count - 1 else ""
