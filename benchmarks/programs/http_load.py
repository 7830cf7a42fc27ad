"""The load client for the HTTP API: `http_load.py PORT`.

Requests are ready before the clock starts, and an answer is no more than counted, so that the server stays the slower
of the two. Commands come line by line on the standard input; each is answered by one line of JSON:

    run FILE CONNECTIONS SECONDS    send the request in FILE on so many kept connections, each the next one when its
                                    last has been answered
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from pathlib import Path


class Failure(Exception):
    """What a measure cannot go on with."""


class Connection:
    """One kept connection, and the request that it waits for the answer to."""

    def __init__(self, port: int, request: bytes) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = request
        self.answer = b""
        self.sent = 0

    def ask(self) -> None:
        self.sent = time.monotonic_ns()
        self.sock.sendall(self.request)

    def hear(self) -> bool:
        """Read what came; whether that was all of the answer."""
        came = self.sock.recv(1 << 18)
        self.answer += came
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not came or (end and not head.startswith(b"HTTP/1.1 200")) or b'"error"' in body:
            raise Failure(f"publishing was answered with {self.answer[:300]!r}")
        if not end or not is_whole(head.lower(), body):
            return False
        self.answer = b""
        return True


def is_whole(head: bytes, body: bytes) -> bool:
    """Whether nothing is missing; of a body in chunks, only its end is looked at."""
    length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length) if length else body.endswith(b"0\r\n\r\n")


def run(port: int, request: bytes, count: int, seconds: float) -> dict[str, float]:
    connections = {each.sock.fileno(): each for each in (Connection(port, request) for _ in range(count))}
    epoll = select.epoll()
    for fd in connections:
        epoll.register(fd, select.EPOLLIN)
    waits: list[int] = []
    began, cpu = time.monotonic_ns(), time.process_time()
    end = began + int(seconds * 1e9)
    for each in connections.values():
        each.ask()
    waiting = count
    while waiting:
        ready = epoll.poll(10.0)
        if not ready:
            raise Failure("nothing came for ten seconds")
        for fd, _ in ready:
            connection = connections[fd]
            if not connection.hear():
                continue
            now = time.monotonic_ns()
            waits.append(now - connection.sent)
            if now < end:
                connection.ask()
            else:
                waiting -= 1
    took = (time.monotonic_ns() - began) / 1e9
    used = time.process_time() - cpu
    for each in connections.values():
        each.sock.close()
    return {"count": len(waits), "seconds": took, "cpu_seconds": used, **percentiles(waits)}


def percentiles(times: list[int]) -> dict[str, float]:
    """The nearest rank: the smallest of the times that this share of all does not exceed."""
    ordered = sorted(times) or [0]
    return {f"p{share}_ms": ordered[-(-len(ordered) * share // 100) - 1] / 1e6 for share in (50, 95, 99)}


def main() -> None:
    port = int(sys.argv[1])
    for line in sys.stdin:
        _, file, count, seconds = line.split()
        try:
            answer: dict[str, float] | dict[str, str] = run(port, Path(file).read_bytes(), int(count), float(seconds))
        except (Failure, OSError) as error:
            answer = {"failed": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
