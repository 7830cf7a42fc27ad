"""The load client where there is no compiler: `load.c` in Python, with the same arguments, commands and answers.

Slower by an order of magnitude, so that its own share of a core is the first figure to look at.
"""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

STAMP = re.compile(rb'"sent":"(\d{19})')
PONGS = {b"{}": b"{}", b"2": b"3"}
"""What answers a ping of the Centrifuge protocol, and one of Engine.IO."""

ADDRESSES = 16
SILENCE = b"-"
"""A line of a script that waits for what the server says by itself."""


class Failure(Exception):
    """What a measure cannot go on with."""


class Connection:
    """One subscriber. `hear` tells its owner about publications and about the end of the script."""

    def __init__(
        self, port: int, own: str, path: str, script: list[bytes], publication: Callable[[Connection, int], None]
    ) -> None:
        self.begun = time.monotonic_ns()
        self.taken = 0
        self.sock = connected(port, own)
        self.script = script
        self.publication = publication
        self.input = b""
        self.upgraded = self.ready = False
        self.answered = self.received = self.newest = self.bytes = 0
        handshake = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        handshake += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        self.sock.send(handshake.encode())

    def hear(self) -> None:
        came = self.sock.recv(1 << 18)
        if not came:
            raise ConnectionError("no close frame")
        self.input += came
        if not self.upgraded:
            self.take_upgrade()
        start = 0
        while self.upgraded and (size := self.take_frame(start)):
            start += size
        self.input = self.input[start:]

    def take_upgrade(self) -> None:
        head, end, rest = self.input.partition(b"\r\n\r\n")
        if end and not head.startswith(b"HTTP/1.1 101"):
            raise Failure(f"the handshake was answered with {head!r}")
        if end:
            self.upgraded, self.input = True, rest
            self.follow_script()

    def take_frame(self, start: int) -> int:
        """The frame's length, 0 while it is not complete."""
        data = self.input
        if len(data) < start + 2:
            return 0
        head, size = 2, data[start + 1]
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[start + 2 : start + head], "big")
        if len(data) < start + head + size:
            return 0
        self.take(data[start], data[start + head : start + head + size])
        self.bytes += head + size
        return head + size

    def take(self, first: int, payload: bytes) -> None:
        if first == 0x81:
            for message in payload.split(b"\n"):
                self.take_message(message)
        elif first == 0x89:
            self.say(payload, opcode=10)
        elif first == 0x88:
            raise ConnectionError(f"closed by the server: {payload!r}")
        else:
            raise Failure(f"a connection was sent the frame {first:02x} {payload!r}")

    def take_message(self, message: bytes) -> None:
        if not self.ready:
            if b'"error"' in message:
                raise Failure(f"the answer to a first message was {message!r}")
            self.answered += 1
            self.follow_script()
        elif stamp := STAMP.search(message):
            self.publication(self, int(stamp[1]))
        elif message in PONGS:
            self.say(PONGS[message])

    def follow_script(self) -> None:
        self.ready = self.answered == len(self.script)
        if self.ready:
            self.taken = time.monotonic_ns() - self.begun
        elif self.script[self.answered] != SILENCE:
            self.say(self.script[self.answered])

    def say(self, text: bytes, opcode: int = 1) -> None:
        """Masked with zeros, which is a mask as well (RFC 6455, section 5.3)."""
        short = len(text) < 126
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | len(text)) if short else b""
        self.sock.send((head or struct.pack("!BBH", 0x80 | opcode, 0xFE, len(text))) + bytes(4) + text)


class Run:
    """One run of publications, and what came of it."""

    def __init__(
        self,
        text: bytes,
        count: int,
        burst: int,
        rate: float,
        requests: int,
        reach: int,
        subscribers: list[Connection],
    ) -> None:
        size = len(text) // requests
        self.requests = [STAMP.split(text[start : start + size])[::2] for start in range(0, len(text), size)]
        self.count, self.burst, self.rate = count, burst, rate
        self.subscribers = subscribers
        self.reach = reach or len(subscribers)
        self.expected = count * burst * self.reach
        self.latencies: list[int] = []
        self.published = self.answers = self.disordered = self.closed = 0
        self.unwritten = b""
        self.started = self.stirred = time.monotonic_ns()
        for connection in subscribers:
            connection.received = connection.newest = connection.bytes = 0

    def take(self, connection: Connection, sent: int) -> None:
        if sent < self.started or len(self.latencies) == self.expected:
            return
        self.stirred = time.monotonic_ns()
        self.latencies.append(self.stirred - sent)
        self.disordered += sent <= connection.newest
        connection.newest = sent
        connection.received += 1

    def due_in(self, now: int) -> float:
        """Seconds until the next request; infinity while the last one is on its way, or when it was the last."""
        if self.published == self.count:
            return float("inf")
        if self.rate:
            return (self.started + self.published * 1e9 / self.rate - now) / 1e9
        arrived = len(self.latencies) == self.published * self.burst * self.reach
        return 0.0 if arrived and self.answers == self.published else float("inf")

    def publish(self, now: int) -> None:
        due = self.started + int(self.published * 1e9 / self.rate) if self.rate else now
        parts = self.requests[self.published % len(self.requests)]
        self.published += 1
        self.stirred = now
        stamps = [b'"sent":"%019d' % (due + at) for at in range(self.burst)]
        pieces = zip(parts, [*stamps, b""], strict=True)
        self.unwritten += b"".join(part + stamp for part, stamp in pieces)

    def read_answers(self, sock: socket.socket) -> None:
        came = sock.recv(1 << 16)
        if not came or b'"error"' in came or re.search(rb"HTTP/1.1 [^2]", came):
            raise Failure(f"publishing was answered with {came!r}")
        self.answers += came.count(b"HTTP/1.1 2")

    @property
    def is_over(self) -> bool:
        return len(self.latencies) == self.expected and self.answers == self.count

    def report(self, cpu_seconds: float) -> dict[str, float]:
        counts = [connection.received for connection in self.subscribers]
        return {
            "expected": self.expected,
            "received": len(self.latencies),
            "fewest": min(counts),
            "most": max(counts),
            "disordered": self.disordered,
            "closed": self.closed,
            "bytes": sum(connection.bytes for connection in self.subscribers),
            "seconds": (time.monotonic_ns() - self.started) / 1e9,
            "cpu_seconds": cpu_seconds,
            **percentiles(self.latencies),
        }


class Load:
    """All connections, and the commands."""

    def __init__(self, ports: list[int], path: str, script: list[bytes], frames: int, published_to: int) -> None:
        self.ports, self.path, self.script, self.frames = ports, path, script, frames
        self.published_to = published_to
        self.connections: dict[int, Connection] = {}
        self.epoll = select.epoll()
        self.run: Run | None = None
        self.stalled: list[Connection] = []

    def open(self, more: int, at_once: int) -> dict[str, float]:
        started, cpu = time.monotonic(), time.process_time()
        goal = len(self.connections) + more
        opened: list[Connection] = []
        waiting: list[Connection] = []
        while len(self.connections) < goal or waiting:
            if len(self.connections) < goal and len(waiting) < at_once:
                opened.append(self.open_one())
                waiting.append(opened[-1])
                continue
            self.hear()
            waiting = [connection for connection in waiting if not connection.ready]
        return {
            "open": goal,
            "seconds": time.monotonic() - started,
            "cpu_seconds": time.process_time() - cpu,
            **percentiles([connection.taken for connection in opened]),
        }

    def open_one(self) -> Connection:
        first = len(self.connections) * self.frames
        lines = self.script[first : first + self.frames]
        port = self.ports[len(self.connections) % len(self.ports)]
        own = f"127.0.0.{1 + len(self.connections) % ADDRESSES}"
        connection = Connection(port, own, self.path, lines, self.take)
        self.connections[connection.sock.fileno()] = connection
        self.epoll.register(connection.sock, select.EPOLLIN)
        return connection

    def stall(self) -> dict[str, float]:
        """The receive buffer grew while the connection was read; none of that shall stand in for the reader now."""
        first = self.connections.pop(next(iter(self.connections)))
        self.epoll.unregister(first.sock)
        first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self.stalled.append(first)
        return {"stalled": 1}

    def publish(
        self, file: str, count: int, burst: int, rate: float, grace: float, requests: int, reach: int
    ) -> dict[str, float]:
        publisher = connected(self.published_to, "127.0.0.1")
        cpu = time.process_time()
        subscribers = list(self.connections.values())
        self.run = Run(Path(file).read_bytes(), count, burst, rate, requests, reach, subscribers)
        self.epoll.register(publisher, select.EPOLLIN)
        while not self.run.is_over and time.monotonic_ns() - self.run.stirred < grace * 1e9:
            self.drive(self.run, publisher)
        self.epoll.unregister(publisher)
        publisher.close()
        report, self.run = self.run.report(time.process_time() - cpu), None
        return report

    def drive(self, run: Run, publisher: socket.socket) -> None:
        now = time.monotonic_ns()
        if run.due_in(now) <= 0:
            run.publish(now)
        if run.unwritten:
            with suppress(BlockingIOError):  # its turn comes again with the next event, or the next publication
                run.unwritten = run.unwritten[publisher.send(run.unwritten) :]
        if self.hear(max(0.0, min(run.due_in(now), 0.1)), publisher):
            run.read_answers(publisher)

    def hear(self, timeout: float | None = None, publisher: socket.socket | None = None) -> bool:
        """Read what came for the connections. Answers whether something came for the publisher."""
        fds = [fd for fd, _ in self.epoll.poll(timeout)]
        for fd in fds:
            if fd in self.connections:
                self.hear_one(self.connections[fd])
        return publisher is not None and publisher.fileno() in fds

    def hear_one(self, connection: Connection) -> None:
        """During a run a connection that is lost is counted; before, nothing can go on without it."""
        try:
            connection.hear()
        except ConnectionError as error:
            if self.run is None:
                raise Failure(f"a connection was lost: {error}") from error
            self.run.closed += 1
            self.epoll.unregister(connection.sock)
            connection.sock.close()

    def take(self, connection: Connection, sent: int) -> None:
        if self.run is not None:
            self.run.take(connection, sent)

    def obey(self, command: str, *values: str) -> dict[str, float]:
        if command == "open":
            return self.open(int(values[0]), int(values[1]))
        if command == "stall":
            return self.stall()
        file, count, burst, rate, grace, requests, reach = values
        return self.publish(file, int(count), int(burst), float(rate), float(grace), int(requests), int(reach))


def percentiles(times: list[int]) -> dict[str, float]:
    """The nearest rank: the smallest of the times that this share of all does not exceed."""
    ordered = sorted(times) or [0]
    return {f"p{share}_ms": ordered[-(-len(ordered) * share // 100) - 1] / 1e6 for share in (50, 95, 99)}


def connected(port: int, own: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), source_address=(own, 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    return sock


def main() -> None:
    ports, path, script, frames, published_to = sys.argv[1:]
    lines = Path(script).read_bytes().splitlines()
    load = Load(list(map(int, ports.split(","))), path, lines, int(frames), int(published_to))
    for line in sys.stdin:
        try:
            answer: dict[str, float] | dict[str, str] = load.obey(*line.split())
        except (Failure, OSError) as error:
            answer = {"failed": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
