"""What can be wrong with a line: Toxiproxy's toxics under Toxiproxy's names, and two of ours.

A toxic is a value which says what shall happen; `tidings.testing.faults.machines` makes it happen. The names of the
attributes carry their unit here (`latency_ms`) and are Toxiproxy's own on its HTTP API (`latency`). Attributes that
make no sense raise `ValueError` in one sentence.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

import msgspec


class Direction(enum.Enum):
    """Which way bytes go, seen from the client: `UPSTREAM` to the server, `DOWNSTREAM` back from it."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


class _Toxic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all toxics have: a type, by which Toxiproxy's HTTP API names them."""

    @classmethod
    def kind(cls) -> str:
        return str(cls.__struct_config__.tag)


class Latency(
    _Toxic, frozen=True, kw_only=True, tag="latency", rename={"latency_ms": "latency", "jitter_ms": "jitter"}
):
    """Everything arrives later by `latency_ms`, give or take up to `jitter_ms`, in its order."""

    latency_ms: int = 0
    jitter_ms: int = 0

    def __post_init__(self) -> None:
        _require(self.latency_ms >= 0 and self.jitter_ms >= 0, "latency and jitter are milliseconds from 0 on")


class Bandwidth(_Toxic, frozen=True, kw_only=True, tag="bandwidth", rename={"rate_kb": "rate"}):
    """No more than `rate_kb` kilobytes (of 1000 bytes) a second get through."""

    rate_kb: int

    def __post_init__(self) -> None:
        _require(self.rate_kb > 0, "the rate of bandwidth is above 0 KB/s; to let nothing through take a blackhole")


class SlowClose(_Toxic, frozen=True, kw_only=True, tag="slow_close", rename={"delay_ms": "delay"}):
    """The end of a connection arrives later by `delay_ms`; its data does not."""

    delay_ms: int = 0

    def __post_init__(self) -> None:
        _require(self.delay_ms >= 0, "the delay of slow_close is milliseconds from 0 on")


class Timeout(_Toxic, frozen=True, kw_only=True, tag="timeout", rename={"timeout_ms": "timeout"}):
    """No data gets through, and after `timeout_ms` the connection is closed; never, if that is 0.

    The time runs from when the toxic meets the connection. What was swallowed is lost, also when the toxic is removed.
    """

    timeout_ms: int = 0

    def __post_init__(self) -> None:
        _require(self.timeout_ms >= 0, "the timeout is milliseconds from 0 on, and 0 means never")


class ResetPeer(_Toxic, frozen=True, kw_only=True, tag="reset_peer", rename={"timeout_ms": "timeout"}):
    """After `timeout_ms` the connection ends with a TCP reset on both sides. Until then data gets through.

    The time runs from when the toxic meets the connection.
    """

    timeout_ms: int = 0

    def __post_init__(self) -> None:
        _require(self.timeout_ms >= 0, "the timeout of reset_peer is milliseconds from 0 on")


class Slicer(_Toxic, frozen=True, kw_only=True, tag="slicer", rename={"delay_us": "delay"}):
    """Data arrives in pieces of `average_size` bytes, give or take `size_variation`, each `delay_us` after the last."""

    average_size: int
    size_variation: int = 0
    delay_us: int = 0

    def __post_init__(self) -> None:
        _require(self.average_size > 0, "the average_size of slicer is above 0 bytes")
        _require(
            0 <= self.size_variation < self.average_size, "the size_variation of slicer is from 0 to below average_size"
        )
        _require(self.delay_us >= 0, "the delay of slicer is microseconds from 0 on")


class LimitData(_Toxic, frozen=True, kw_only=True, tag="limit_data", rename={"limit_bytes": "bytes"}):
    """After `limit_bytes` bytes the connection is closed."""

    limit_bytes: int = 0

    def __post_init__(self) -> None:
        _require(self.limit_bytes >= 0, "the limit of limit_data is bytes from 0 on")


class Blackhole(_Toxic, frozen=True, kw_only=True, tag="blackhole"):
    """Nothing gets through, not even the end of the connection, which stays open on the other side.

    When the toxic is removed, ends that it kept get through; the data that it swallowed is lost.
    """


class Corrupt(_Toxic, frozen=True, kw_only=True, tag="corrupt"):
    """Of all bytes the share `rate` arrives changed, chosen by `seed`. No byte is lost or added."""

    rate: float
    seed: int = 0

    def __post_init__(self) -> None:
        _require(0 < self.rate <= 1, "the rate of corrupt is the share of bytes that change, above 0 and up to 1")


Toxic: TypeAlias = Latency | Bandwidth | SlowClose | Timeout | ResetPeer | Slicer | LimitData | Blackhole | Corrupt

TYPES: dict[str, type[Toxic]] = {
    toxic.kind(): toxic
    for toxic in (Latency, Bandwidth, SlowClose, Timeout, ResetPeer, Slicer, LimitData, Blackhole, Corrupt)
}
"""The toxics by the names that Toxiproxy's HTTP API has for them."""


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)
