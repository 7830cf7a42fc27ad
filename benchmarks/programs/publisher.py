"""A node that only publishes, to see what a publication through Redis costs it: `publisher.py URL`.

Commands come line by line on the standard input; each is answered by one line of JSON.

    publish NAME CHANNELS CALLERS COUNT BYTES    COUNT publications of BYTES bytes, by so many concurrent callers, each
                                                 of which calls when its last call has returned; one after another to
                                                 NAME0, NAME1 … of so many channels
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

from tidings import Tidings

SETTINGS = {
    "channels": {
        "namespaces": {
            "plain": {},
            "kept": {"history_size": 100, "history_ttl": 600.0},
            "ten": {"history_size": 10, "history_ttl": 600.0},
        }
    }
}


async def publish(hub: Tidings, name: str, channels: int, callers: int, count: int, size: int) -> dict[str, float]:
    names = [f"{name}{number}" for number in range(channels)]
    data = json.dumps({"text": "x" * max(0, size - len('{"text":""}'))}, separators=(",", ":")).encode()
    waits: list[float] = []

    async def call(first: int) -> None:
        for number in range(first, count, callers):
            began = time.perf_counter()
            await hub.publish(names[number % channels], data)
            waits.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(call(first) for first in range(callers)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    waits.sort()
    return {
        "count": len(waits),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "p50_ms": waits[len(waits) // 2] * 1e3,
        "p99_ms": waits[min(len(waits) - 1, len(waits) * 99 // 100)] * 1e3,
    }


async def main(url: str) -> None:
    async with Tidings(url, settings=SETTINGS) as hub:
        while line := await asyncio.to_thread(sys.stdin.readline):
            name, *numbers = line.split()[1:]
            print(json.dumps(await publish(hub, name, *map(int, numbers))), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1]))
