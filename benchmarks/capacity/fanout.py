"""One channel, a thousand subscribers: what a delivery and a connection cost the peers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.capacity.parts import Scale
from benchmarks.load import Load
from benchmarks.machine import resident_bytes
from benchmarks.rows import BURST, Figures, Measure
from benchmarks.servers import PLAIN, Server


@contextmanager
def fanout(server: Server, scale: Scale) -> Iterator[Measure]:
    """A fresh server each round. The channel keeps nothing, since most of the peers keep nothing."""

    def measure() -> Figures:
        count = scale.subscribers
        with server, Load(server, count + count // 10, PLAIN) as load:
            load.open(count // 10)
            server.settle()
            before = resident_bytes(server.pid)
            opened, entering = server.spent(lambda: load.open(count))
            grown = resident_bytes(server.pid) - before
            load.publish(3)
            single, cpu = server.spent(lambda: load.publish(scale.publications))
            burst, burst_cpu = server.spent(lambda: load.publish(scale.bursts, burst=BURST))
            runs = (single, burst)
            return {
                "cpu_us": cpu / single.expected * 1e6,
                "burst_us": burst_cpu / burst.expected * 1e6,
                "in_us": entering / count * 1e6,
                "kib": grown / count / 1024,
                "p50_ms": single.p50_ms,
                "p95_ms": single.p95_ms,
                "p99_ms": single.p99_ms,
                "load_share": max(each.load_share for each in (single, burst)),
                "opening_share": opened.load_share,
                "expected": sum(each.expected for each in runs),
                "lost": sum(each.expected - each.received for each in runs),
                "disordered": sum(each.disordered for each in runs),
                "closed": sum(each.closed for each in runs),
            }

    yield measure
