"""What the machine allows, for what the settings want."""

from __future__ import annotations

import pytest

from tidings.app.doctor.machine import Machine, judge, look
from tidings.app.settings import Settings
from tidings.findings import Level

pytestmark = pytest.mark.core

AMPLE = Machine(files=1_000_000, somaxconn=4096, memory_bytes=64 << 30, processors=8)


def found(machine: Machine, **settings: object) -> dict[str, Level]:
    given = {name.replace("__", "."): value for name, value in settings.items()}
    judged = judge(machine, Settings.of({"broker.url": "redis://localhost", **given}))
    return {subject: level for level, subject, _ in judged if level is not Level.OK}


def test_an_ample_one() -> None:
    assert found(AMPLE, client__connection_limit=10_000, server__workers=4) == {}


def test_one_that_does_not_tell() -> None:
    assert found(Machine(processors=8)) == {}


def test_open_files() -> None:
    """A warning for few, a problem for fewer than the settings want to let in."""
    few = Machine(files=1024, processors=8)
    assert found(few) == {"open files": Level.WARNING}
    assert found(few, client__connection_limit=1000) == {"open files": Level.PROBLEM}


def test_waiting_connections() -> None:
    assert found(Machine(somaxconn=128, processors=8)) == {"backlog": Level.WARNING}


def test_memory() -> None:
    small = Machine(memory_bytes=100 << 20, processors=8)
    assert found(small, client__connection_limit=20_000) == {"memory": Level.WARNING}


def test_more_workers_than_processors() -> None:
    assert found(AMPLE, server__workers=9) == {"processors": Level.WARNING}


def test_without_uvloop() -> None:
    assert found(Machine(processors=8, uvloop=False)) == {"event loop": Level.WARNING}


def test_this_machine_can_be_looked_at() -> None:
    assert look().processors >= 1
