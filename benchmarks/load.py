"""The load client from outside: starts `programs/load`, asks it, and reads what it counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

import msgspec

from benchmarks.workplace import Workplace

ON_THEIR_WAY = 32
"""Connections that are being opened at a time, where nothing else is said."""

STAMP = "0" * 19
"""Where the load client writes the time of sending."""


class Delivered(msgspec.Struct, frozen=True):
    """What came of a run of publications. `fewest` and `most` are messages of one connection.

    `disordered` counts messages older than one that came before them on the same connection, `closed` the connections
    that were lost on the way.
    """

    expected: int
    received: int
    fewest: int
    most: int
    disordered: int
    closed: int
    bytes: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Messages of one subscriber in a second."""
        return self.fewest / self.seconds

    @property
    def load_share(self) -> float:
        """How much of its core the load client used."""
        return self.cpu_seconds / self.seconds


class Opened(msgspec.Struct, frozen=True):
    """How opening connections went; `open` is how many there are now.

    The percentiles are of the time from a connection's first packet to the answer that says it is subscribed.
    """

    open: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def load_share(self) -> float:
        """How much of its core the load client used."""
        return self.cpu_seconds / self.seconds


class Target(Protocol):
    """What clients connect to, and what they say to it; see `benchmarks.servers.Server`."""

    key: str
    title: str
    path: str
    workplace: Workplace

    @property
    def ports(self) -> list[int]: ...

    @property
    def published_to(self) -> int: ...

    @property
    def log(self) -> str: ...

    def script(self, user: str, channel: str) -> list[str]: ...

    def request(self, payloads: list[str], channel: str) -> bytes: ...


def payload(size_bytes: int) -> str:
    """A publication with a place for the time of sending, and so many bytes besides."""
    return json.dumps({"sent": STAMP, "text": "x" * size_bytes}, separators=(",", ":"))


class LoadError(Exception):
    """The server did something that a measure cannot go on with."""


class Load:
    """Up to `connections` subscribers of one channel, and one publisher to it.

    `says` makes what a client of this user's name says, where that is not what the server's clients usually say.
    """

    def __init__(
        self, server: Target, connections: int, channel: str, *, says: Callable[[str], list[str]] | None = None
    ) -> None:
        self._server = server
        self._channel = channel
        says = says or (lambda user: server.script(user, channel))
        scripts = [says(f"user-{number}") for number in range(connections)]
        script = server.workplace.directory / f"{server.key}-{id(self)}.script"
        script.write_text("".join(f"{line}\n" for lines in scripts for line in lines))
        command = [
            *server.workplace.load,
            ",".join(map(str, server.ports)),
            server.path,
            str(script),
            str(len(scripts[0])),
            str(server.published_to),
        ]
        self._process = server.workplace.spawn(command, server.workplace.client_cores, asks=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the client, and with it all its connections."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def open(self, more: int, *, at_once: int = ON_THEIR_WAY) -> Opened:
        """Open connections, at most `at_once` of them on their way; each is subscribed when this returns."""
        return msgspec.json.decode(self._ask(f"open {more} {at_once}"), type=Opened)

    def stall(self) -> None:
        """Let the first connection stop reading. It counts no more."""
        self._ask("stall")

    def publish(
        self, count: int, *, burst: int = 1, rate: float = 0.0, size_bytes: int = 100, patience: float = 10.0
    ) -> Delivered:
        """Publish `count` times `burst` messages that carry `size_bytes` each.

        `rate` is in requests for each second, and latencies run from when a request was due; without a rate, each
        request is sent after the one before has reached everybody. Gives up when nothing came for `patience` seconds.
        """
        request = self._server.request([payload(size_bytes)] * burst, self._channel)
        return self.send([request], count, burst=burst, rate=rate, patience=patience)

    def send(
        self,
        requests: Sequence[bytes],
        count: int,
        *,
        burst: int = 1,
        reach: int = 0,
        rate: float = 0.0,
        patience: float = 10.0,
    ) -> Delivered:
        """The same with requests that take turns, each of `burst` messages to `reach` connections; 0 is all of them."""
        if len({len(request) for request in requests}) != 1:
            raise ValueError("Requests that take turns have to have one length.")
        file = self._server.workplace.directory / f"{self._server.key}.request"
        file.write_bytes(b"".join(requests))
        command = f"run {file} {count} {burst} {rate} {patience} {len(requests)} {reach}"
        return msgspec.json.decode(self._ask(command), type=Delivered)

    def _ask(self, command: str) -> bytes:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{command}\n".encode())
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer or b'"failed"' in answer:
            raise LoadError(f"{self._server.title}: {answer.decode() or 'the load client died'}\n{self._server.log}")
        return answer
