"""A Redis, nodes on it, and a node that only publishes; each on the cores that a measure gives it."""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

import msgspec

from benchmarks.machine import cpu_seconds, wait_until
from benchmarks.servers import API_KEY, KEPT, TidingsServer
from benchmarks.workplace import SOURCES, Assistant, Workplace
from tidings.testing.services import RedisServer

T = TypeVar("T")

PRESENT = "present:bench"
"""A recoverable channel with presence."""


class OwnRedis(RedisServer):
    """One that is always started here, and keeps nothing on disk."""

    variables: ClassVar[tuple[str, ...]] = ()

    def cpu(self) -> float:
        """CPU seconds that it has used so far."""
        return cpu_seconds(self.process.pid)

    def calls(self) -> dict[str, int]:
        """How often each command was carried out so far, by clients and by scripts."""
        stats: dict[bytes, Any] = self.ask("INFO", "commandstats")
        if isinstance(stats, bytes):  # as redis-py leaves it, without decoding
            lines = [line.split(":", 1) for line in stats.decode().splitlines() if line.startswith("cmdstat_")]
            return {name.removeprefix("cmdstat_"): int(rest.split(",")[0].split("=")[1]) for name, rest in lines}
        return {str(name).removeprefix("cmdstat_"): int(each["calls"]) for name, each in stats.items()}

    def memory(self) -> int:
        """Bytes that its data take."""
        info = self.ask("INFO", "memory")
        if isinstance(info, bytes):
            found = next(line for line in info.decode().splitlines() if line.startswith("used_memory:"))
            return int(found.split(":")[1])
        return int(info["used_memory"])


class Node(TidingsServer):
    """`tidings serve` on a Redis."""

    def __init__(self, workplace: Workplace, redis: OwnRedis, number: int) -> None:
        super().__init__(workplace)
        self.key, self.title = f"node-{number}", f"node {number}"
        self._redis = redis

    def settings(self) -> str:
        present = self.SETTINGS.partition("[channels.namespaces.kept]")[2]
        more = f'\n[channels.namespaces.present]{present}presence = true\n[broker]\nurl = "{self._redis.url}"\n'
        return self.SETTINGS + more

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def ask(self, method: str, **request: object) -> Any:
        """The result of a call of the HTTP API."""
        body = msgspec.json.encode(request)
        headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{method}", body, headers)
        with urllib.request.urlopen(asked, timeout=10.0) as answer:
            return msgspec.json.decode(answer.read())["result"]

    def metric(self, name: str, label: str) -> float:
        """A counter of /metrics, of the line that has this label."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics", headers={"X-API-Key": API_KEY})
        with urllib.request.urlopen(asked, timeout=10.0) as answer:
            lines = answer.read().decode().splitlines()
        found = (line for line in lines if line.startswith(f"{name}{{") and label in line)
        return sum(float(line.split()[-1]) for line in found)


class Nodes:
    """Several nodes, as a `Target`: clients take turns among them, publications go to the first."""

    key, title, path = "nodes", "Tidings over Redis", TidingsServer.path

    def __init__(self, workplace: Workplace, redis: OwnRedis, count: int) -> None:
        self.workplace = workplace
        self.redis = redis
        self.nodes = [Node(workplace, redis, number) for number in range(count)]
        self._stack = ExitStack()

    @property
    def ports(self) -> list[int]:
        return [node.port for node in self.nodes]

    @property
    def published_to(self) -> int:
        return self.nodes[0].port

    @property
    def log(self) -> str:
        return "\n".join(node.log for node in self.nodes)

    def script(self, user: str, channel: str) -> list[str]:
        return self.nodes[0].script(user, channel)

    def request(self, payloads: list[str], channel: str) -> bytes:
        return self.nodes[0].request(payloads, channel)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def settle(self) -> None:
        for node in self.nodes:
            node.settle()

    def spent_apart(self, work: Callable[[], T]) -> tuple[T, float, float]:
        """Do the work, and answer its result with the CPU seconds that the nodes, and Redis, spent on it."""
        self.settle()
        nodes, redis = self._used(), self.redis.cpu()
        result = work()
        self.settle()
        return result, self._used() - nodes, self.redis.cpu() - redis

    def _used(self) -> float:
        return sum(cpu_seconds(node.pid) for node in self.nodes)


class Published(msgspec.Struct, frozen=True):
    """What a publishing node did, and what it cost."""

    count: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float


class Publisher(Assistant):
    """A node that only publishes: `programs/publisher.py`."""

    def __init__(self, workplace: Workplace, redis: OwnRedis) -> None:
        command = [sys.executable, str(SOURCES / "publisher.py"), redis.url]
        super().__init__(workplace.spawn(command, workplace.server_cores, asks=True))

    def publish(
        self, name: str, count: int, *, channels: int = 1, callers: int = 1, size_bytes: int = 100
    ) -> Published:
        self.begin(name, count, channels=channels, callers=callers, size_bytes=size_bytes)
        return self.end()

    def begin(self, name: str, count: int, *, channels: int = 1, callers: int = 1, size_bytes: int = 100) -> None:
        """Start publishing; `end` waits for it."""
        self.tell(f"publish {name} {channels} {callers} {count} {size_bytes}")

    def end(self) -> Published:
        answer = self.hear()
        if not answer:
            raise RuntimeError("the publishing node died")
        return msgspec.json.decode(answer, type=Published)


@contextmanager
def redis_on(cores: set[int]) -> Iterator[OwnRedis]:
    """A Redis that stays on these cores."""
    with OwnRedis() as redis:
        for thread in os.listdir(f"/proc/{redis.process.pid}/task"):
            os.sched_setaffinity(int(thread), cores)
        yield redis


__all__ = ["KEPT", "PRESENT", "Node", "Nodes", "OwnRedis", "Published", "Publisher", "redis_on", "wait_until"]
