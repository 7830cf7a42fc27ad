"""deploy/systemd/tidings.service: systemd itself finds it good and tight, and its numbers are those of the code."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tidings.app.settings import Settings
from tidings.testing.services.block import Missing

pytestmark = [pytest.mark.world, pytest.mark.L3]

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "tidings.service"
MOST_EXPOSED = 20
"""Of 100, by systemd's own measure; most services of a distribution are above 90."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there on every machine in place of Tidings."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/tidings/bin/tidings", "/bin/true"))
    return copy


def analyze(*arguments: str | Path) -> str:
    """What systemd-analyze has to say; it needs no systemd that runs."""
    if shutil.which("systemd-analyze") is None:
        raise Missing("systemd-analyze is not installed: apt-get install systemd.")
    done = subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_understands_it(unit: Path) -> None:
    assert analyze("verify", unit) == ""


def test_it_is_tight(unit: Path) -> None:
    """systemd-analyze ends with an error if it is more exposed than this."""
    analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit)


def directives() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_numbers_are_those_of_the_code() -> None:
    """There is time to stop in order, and there are files for many connections."""
    unit = directives()
    assert int(unit["TimeoutStopSec"][0]) >= Settings().server.drain_timeout + 15
    assert int(unit["LimitNOFILE"][0]) >= 65536
    assert unit["ExecStart"] == ["/opt/tidings/bin/tidings serve --config /etc/tidings/tidings.toml"]


def test_it_has_no_rights() -> None:
    unit = directives()
    assert unit["NoNewPrivileges"] == ["yes"]
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == [""]
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["User"] == ["tidings"]
