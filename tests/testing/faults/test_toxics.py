"""Toxics as values: what they are called, and what they refuse."""

from __future__ import annotations

import msgspec
import pytest

from tidings.testing.faults import (
    Bandwidth,
    Blackhole,
    Corrupt,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)
from tidings.testing.faults.toxics import TYPES

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("toxic", "wire"),
    [
        (Latency(latency_ms=200, jitter_ms=50), {"type": "latency", "latency": 200, "jitter": 50}),
        (Bandwidth(rate_kb=64), {"type": "bandwidth", "rate": 64}),
        (SlowClose(delay_ms=10), {"type": "slow_close", "delay": 10}),
        (Timeout(timeout_ms=5), {"type": "timeout", "timeout": 5}),
        (ResetPeer(timeout_ms=5), {"type": "reset_peer", "timeout": 5}),
        (
            Slicer(average_size=8, size_variation=2, delay_us=9),
            {"type": "slicer", "average_size": 8, "size_variation": 2, "delay": 9},
        ),
        (LimitData(limit_bytes=5), {"type": "limit_data", "bytes": 5}),
        (Blackhole(), {"type": "blackhole"}),
        (Corrupt(rate=0.5, seed=3), {"type": "corrupt", "rate": 0.5, "seed": 3}),
    ],
    ids=lambda value: value.kind() if isinstance(value, msgspec.Struct) else "",
)
def test_the_wire_has_toxiproxys_names(toxic: Toxic, wire: dict[str, object]):
    """And reads them back, with the type or without."""
    assert msgspec.to_builtins(toxic) == wire
    assert msgspec.convert(wire, TYPES[toxic.kind()]) == toxic
    assert msgspec.convert({key: wire[key] for key in wire if key != "type"}, TYPES[toxic.kind()]) == toxic


def test_every_type_is_known():
    assert {kind: cls.kind() for kind, cls in TYPES.items()} == {kind: kind for kind in TYPES}
    assert len(TYPES) == 9


@pytest.mark.parametrize(
    ("kind", "attributes", "sentence"),
    [
        ("latency", {"latency": -1}, "latency and jitter are milliseconds from 0 on"),
        ("bandwidth", {"rate": 0}, "the rate of bandwidth is above 0 KB/s; to let nothing through take a blackhole"),
        ("slow_close", {"delay": -1}, "the delay of slow_close is milliseconds from 0 on"),
        ("timeout", {"timeout": -1}, "the timeout is milliseconds from 0 on, and 0 means never"),
        ("reset_peer", {"timeout": -1}, "the timeout of reset_peer is milliseconds from 0 on"),
        ("slicer", {"average_size": 0}, "the average_size of slicer is above 0 bytes"),
        (
            "slicer",
            {"average_size": 5, "size_variation": 5},
            "the size_variation of slicer is from 0 to below average_size",
        ),
        ("slicer", {"average_size": 5, "delay": -1}, "the delay of slicer is microseconds from 0 on"),
        ("limit_data", {"bytes": -1}, "the limit of limit_data is bytes from 0 on"),
        ("corrupt", {"rate": 0}, "the rate of corrupt is the share of bytes that change, above 0 and up to 1"),
    ],
)
def test_what_makes_no_sense_is_told(kind: str, attributes: dict[str, object], sentence: str):
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(attributes, TYPES[kind])
    assert str(refused.value) == sentence


def test_unknown_attributes_are_told():
    with pytest.raises(msgspec.ValidationError, match="unknown field `latncy`"):
        msgspec.convert({"latncy": 5}, Latency)
