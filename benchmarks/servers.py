"""The servers that are compared, each in a process of its own on the servers' core.

All of them take publications by HTTP POST, so that one load client drives them all: with 1,000 subscribers a request
weighs a thousandth of a delivery in the figure for one delivery.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import jwt

from benchmarks.machine import cpu_seconds, wait_until
from benchmarks.workplace import SOURCES, Workplace
from tidings.testing.services import ports

T = TypeVar("T")

SECRET = "a secret of the benchmarks, and of nobody else"
API_KEY = "benchmarks"
PLAIN, KEPT = "bench", "kept:bench"
"""A channel that keeps nothing, and a recoverable one."""


class ServerError(Exception):
    """A server could not be started."""


class Server(ABC):
    """One kind of server, started and stopped as a block.

    `key` names it in results, `title` in tables, `path` is where its WebSocket is.
    """

    key: str
    title: str
    path = "/"

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @abstractmethod
    def command(self) -> list[str]:
        """How to start it on `port`."""

    @abstractmethod
    def script(self, user: str, channel: str) -> list[str]:
        """What a client says after the handshake, each message after the answer to the one before."""

    @abstractmethod
    def request(self, payloads: list[str], channel: str) -> bytes:
        """The HTTP request that publishes these JSON objects to everybody."""

    @property
    def ports(self) -> list[int]:
        """Where clients connect, in turn."""
        return [self.port]

    @property
    def published_to(self) -> int:
        """The port that takes publications."""
        return self.port

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has printed."""
        return (self.workplace.directory / f"{self.key}.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        self.port = ports.reserve()
        with (self.workplace.directory / f"{self.key}.log").open("wb") as log:
            self._process = self.workplace.spawn(
                self.command(), self.workplace.server_cores, log=log, environment={"LOOP_SECRET": SECRET}
            )
        try:
            wait_until(self._is_open, 30.0, f"{self.title} does not accept connections.")
            self.settle()
        except BaseException:
            self._process.kill()
            ports.release(self.port)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(15.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        ports.release(self.port)

    def settle(self) -> None:
        """Wait until it has nothing left to do, or keeps itself busy for longer than anybody waits."""
        deadline = time.monotonic() + 5.0
        used, before = cpu_seconds(self.pid), 0.0
        while used - before > 0.0005 and time.monotonic() < deadline:
            time.sleep(0.03)
            used, before = cpu_seconds(self.pid), used

    def spent(self, work: Callable[[], T]) -> tuple[T, float]:
        """Do the work, and answer its result with the CPU seconds that it made the server spend."""
        self.settle()
        before = cpu_seconds(self.pid)
        result = work()
        self.settle()
        return result, cpu_seconds(self.pid) - before

    def _is_open(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise ServerError(f"{self.title} ended while it was starting:\n{self.log}")
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
        except OSError:
            return False
        return True


class RawLoop(Server):
    """The least a server can do: `programs/raw.c`."""

    key, title = "raw", "raw loop"

    def command(self) -> list[str]:
        return [*self.workplace.raw, str(self.port)]

    def script(self, user: str, channel: str) -> list[str]:
        return ["{}", "{}"]

    def request(self, payloads: list[str], channel: str) -> bytes:
        """The same bytes that subscribers of Tidings get, framed by nobody but the loop."""
        pushes = [f'{{"push":{{"channel":"{channel}","pub":{{"data":{data},"offset":1}}}}}}' for data in payloads]
        return post("/", "\n".join(pushes))


class StarletteLoop(Server):
    """The broadcast loop under uvicorn, with uvloop, httptools and the cheapest of its WebSocket implementations.

    uvicorn's own pings are put off: no server pings while it is measured.
    """

    key, title = "starlette", "Starlette loop"

    def command(self) -> list[str]:
        options = "--loop uvloop --http httptools --ws websockets-sansio --ws-ping-interval 3600"
        options += " --log-level warning --no-access-log"
        where = ["--app-dir", str(SOURCES), "--port", str(self.port)]
        return [sys.executable, "-m", "uvicorn", "starlette_loop:app", *where, *options.split()]

    def script(self, user: str, channel: str) -> list[str]:
        return [_token(user)]

    def request(self, payloads: list[str], channel: str) -> bytes:
        pushes = [f'{{"channel":"{channel}","data":{data}}}' for data in payloads]
        return post("/publish", "\n".join(pushes))


class TidingsServer(Server):
    """`tidings serve` with its settings left as they are, but for what the measures need."""

    key, title, path = "tidings", "Tidings", "/connection/websocket"

    SETTINGS = f"""
[auth]
hmac_secret = "{SECRET}"
[api]
key = "{API_KEY}"
[client]
ping_interval = 3600.0
[log]
level = "warning"
[channels]
allow_subscribe_for_client = true
[channels.namespaces.kept]
allow_subscribe_for_client = true
history_size = 100
history_ttl = 60.0
force_recovery = true
"""

    def settings(self) -> str:
        return self.SETTINGS

    def command(self) -> list[str]:
        settings = self.workplace.directory / f"{self.key}.toml"
        settings.write_text(self.settings())
        serve = ["-m", "tidings.cli.main", "serve", "--config", str(settings), "--port", str(self.port)]
        return [sys.executable, *serve]

    def script(self, user: str, channel: str) -> list[str]:
        connect = {"id": 1, "connect": {"token": _token(user), "name": "benchmarks"}}
        return [json.dumps(connect), json.dumps({"id": 2, "subscribe": {"channel": channel}})]

    def request(self, payloads: list[str], channel: str) -> bytes:
        publications = [f'{{"channel":"{channel}","data":{data}}}' for data in payloads]
        if len(publications) == 1:
            return post("/api/publish", publications[0])
        commands = ",".join(f'{{"publish":{publication}}}' for publication in publications)
        return post("/api/batch", f'{{"commands":[{commands}]}}')


def _token(user: str) -> str:
    return jwt.encode({"sub": user, "exp": int(time.time()) + 3600}, SECRET, algorithm="HS256")


def post(path: str, body: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {API_KEY}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
