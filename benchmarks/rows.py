"""The measures. Each is a block around what stays open; it yields a function that measures one round of one server.

A round's figures are plain numbers by name. `load_share` is the part of its core that the load client used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from benchmarks.load import Delivered, Load, Opened
from benchmarks.machine import forget_peak, peak_bytes, resident_bytes
from benchmarks.servers import KEPT, PLAIN, Server

Figures = dict[str, float]
Measure = Callable[[], Figures]

BURST = 8
LARGE_BYTES = 64_000
STREAM = 50
STREAM_RATE = 240.0
"""Messages in a request and requests in a second of a sustained stream: 12,000 messages a second."""


@dataclass(frozen=True)
class Scale:
    """How much of everything. Rates are publications for each second, in the latency runs and in the broadcast."""

    subscribers: int
    publications: int
    bursts: int
    paced: int
    rate: float
    idle: int
    clients: int
    readers: int
    broadcast: int
    broadcast_rate: float
    sustained: int
    rounds: int
    costly_rounds: int


FULL = Scale(
    subscribers=1000,
    publications=150,
    bursts=20,
    paced=40,
    rate=20.0,
    idle=2000,
    clients=500,
    readers=10,
    broadcast=2000,
    broadcast_rate=200.0,
    sustained=1200,
    rounds=7,
    costly_rounds=5,
)
QUICK = Scale(
    subscribers=50,
    publications=20,
    bursts=5,
    paced=16,
    rate=40.0,
    idle=100,
    clients=40,
    readers=3,
    broadcast=320,
    broadcast_rate=320.0,
    sustained=120,
    rounds=2,
    costly_rounds=1,
)


@dataclass(frozen=True)
class Row:
    """A measure by name. A costly one needs its servers fresh or takes long, and is done in fewer rounds."""

    name: str
    title: str
    block: Callable[[Server, Scale], AbstractContextManager[Measure]]
    costly: bool = False

    def rounds(self, scale: Scale) -> int:
        return scale.costly_rounds if self.costly else scale.rounds


@contextmanager
def single(server: Server, scale: Scale) -> Iterator[Measure]:
    """Server CPU per delivery, one publication at a time; then the latency at a moderate rate."""
    with server, Load(server, scale.subscribers, KEPT) as load:
        load.open(scale.subscribers)

        def measure() -> Figures:
            done, cpu = server.spent(lambda: load.publish(scale.publications))
            paced = load.publish(scale.paced, rate=scale.rate)
            return _delivery(done, cpu) | _latency(paced) | _counts(done, paced)

        yield measure


@contextmanager
def burst(server: Server, scale: Scale) -> Iterator[Measure]:
    """The same with eight publications in flight at once: one request carries them."""
    with server, Load(server, scale.subscribers, KEPT) as load:
        load.open(scale.subscribers)

        def measure() -> Figures:
            done, cpu = server.spent(lambda: load.publish(scale.bursts, burst=BURST))
            paced = load.publish(scale.paced // BURST, burst=BURST, rate=scale.rate / BURST)
            return _delivery(done, cpu) | _latency(paced) | _counts(done, paced)

        yield measure


@contextmanager
def memory(server: Server, scale: Scale) -> Iterator[Measure]:
    """What a fresh server's memory grows by for each idle subscriber, after a tenth of them has warmed it up."""

    def measure() -> Figures:
        with server, Load(server, scale.idle + scale.idle // 10, KEPT) as load:
            load.open(scale.idle // 10)
            server.settle()
            before = resident_bytes(server.pid)
            opened = load.open(scale.idle)
            server.settle()
            grown = resident_bytes(server.pid) - before
            return {"kib": grown / scale.idle / 1024, "load_share": opened.load_share}

    yield measure


@contextmanager
def connecting(server: Server, scale: Scale) -> Iterator[Measure]:
    """Server CPU to accept, authenticate, connect and subscribe one client, with up to 32 of them on their way."""
    with server:

        def measure() -> Figures:
            with Load(server, scale.clients, KEPT) as load:
                opened, cpu = server.spent(lambda: load.open(scale.clients))
                return {"cpu_us": cpu / scale.clients * 1e6, "load_share": opened.load_share, **_latency(opened)}

        measure()
        yield measure


@contextmanager
def sustained(server: Server, scale: Scale) -> Iterator[Measure]:
    """A stream of small messages to one subscriber, 12,000 of them a second offered."""
    with server, Load(server, 1, KEPT) as load:
        load.open(1)

        def measure() -> Figures:
            done = load.publish(scale.sustained, burst=STREAM, rate=STREAM_RATE)
            return {"per_second": done.per_second, "load_share": done.load_share} | _latency(done) | _counts(done)

        yield measure


@contextmanager
def stalled(server: Server, scale: Scale) -> Iterator[Measure]:
    """One broadcast of large messages while everybody reads, and the same while one client does not."""

    def broadcast(load: Load) -> Delivered:
        return load.publish(scale.broadcast, rate=scale.broadcast_rate, size_bytes=LARGE_BYTES, patience=3.0)

    def measure() -> Figures:
        with server, Load(server, scale.readers + 1, PLAIN) as load:
            load.open(scale.readers + 1)
            without = broadcast(load)
            load.stall()
            server.settle()
            before = resident_bytes(server.pid)
            forget_peak(server.pid)
            stuck = broadcast(load)
            return {
                "received_share": stuck.received / stuck.expected,
                **_latency(without),
                **_latency(stuck, "_stalled"),
                "p99_ratio": stuck.p99_ms / without.p99_ms,
                "growth_mib": (peak_bytes(server.pid) - before) / 2**20,
                "load_share": without.load_share,
                **_counts(without),
            }

    yield measure


ROWS = [
    Row("single", "one publication at a time", single),
    Row("burst", "eight publications in flight", burst),
    Row("memory", "idle connections", memory, costly=True),
    Row("connecting", "clients connecting", connecting),
    Row("sustained", "a sustained stream", sustained, costly=True),
    Row("stalled", "a stalled client", stalled, costly=True),
]


def _delivery(done: Delivered, cpu: float) -> Figures:
    return {
        "cpu_us": cpu / done.expected * 1e6,
        "server_share": cpu / done.seconds,
        "load_share": done.load_share,
    }


def _latency(done: Delivered | Opened, when: str = "") -> Figures:
    return {f"p50{when}_ms": done.p50_ms, f"p95{when}_ms": done.p95_ms, f"p99{when}_ms": done.p99_ms}


def _counts(*runs: Delivered) -> Figures:
    return {
        "expected": sum(done.expected for done in runs),
        "lost": sum(done.expected - done.received for done in runs),
        "disordered": sum(done.disordered for done in runs),
        "closed": sum(done.closed for done in runs),
    }
