"""What a run tells, test by test: values, and a file of them that grows while the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from tidings.testing.plugin.measured import Measurement


class Outcome(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """What failed was not the test itself, but its fixtures, or its file while it was collected."""
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    INTERRUPTED = "interrupted"
    """It was running when the run was ended, and so nobody knows."""


class Noted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a test process notes about a test, for whoever reports it."""

    markers: list[str] = []
    justified: list[str] = []
    measured: list[Measurement] = []


class Collected(msgspec.Struct, frozen=True, tag=True):
    """The run begins; `tests` are to be run."""

    tests: int


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """One test has ended. `seconds` are those of its fixtures too; `message` is the reason of a skip or failure."""

    test: str
    outcome: Outcome
    seconds: float = 0.0
    message: str = ""
    noted: Noted = Noted()


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The run is over, with pytest's exit code."""

    code: int


Line = Collected | Result | Ended

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)


def written(line: Line) -> bytes:
    return _encoder.encode(line) + b"\n"


def read(file: Path) -> Iterator[Line]:
    """What is in the file so far. A run that was cut off may have left half a line, which is not there."""
    content = file.read_bytes() if file.exists() else b""
    whole, _, _ = content.rpartition(b"\n")
    for line in whole.splitlines():
        yield _decoder.decode(line)
