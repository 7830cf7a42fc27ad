"""The server's certificate, and its dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.world.certificates import self_signed

from tidings.app.doctor.certificates import judge
from tidings.app.settings import Settings
from tidings.findings import Level

pytestmark = pytest.mark.core

NOW = datetime.now(UTC)


def found(certificate: Path, key: Path, now: datetime = NOW) -> list[tuple[Level, str]]:
    settings = Settings.of({"server.tls_certificate": str(certificate), "server.tls_key": str(key)})
    return [(level, text) for level, _, text in judge(settings, now)]


def test_none() -> None:
    assert list(judge(Settings(), NOW)) == []


@pytest.mark.parametrize(
    ("later", "level", "said"),
    [
        (timedelta(0), Level.WARNING, "in 0 days"),  # it lasts for an hour
        (timedelta(days=1), Level.PROBLEM, "ended on"),
        (-timedelta(days=1), Level.PROBLEM, "good only from"),
    ],
)
def test_dates(tmp_path: Path, later: timedelta, level: Level, said: str) -> None:
    file = self_signed(tmp_path)
    first, *_ = found(file, file, NOW + later)
    assert first[0] is level
    assert said in first[1]


def test_signed_by_itself(tmp_path: Path) -> None:
    file = self_signed(tmp_path)
    assert any("signed by itself" in text for _, text in found(file, file))


def test_another_ones_key(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ((level, text),) = found(self_signed(tmp_path), self_signed(tmp_path / "other"))
    assert level is Level.PROBLEM
    assert "cannot be used" in text


def test_no_certificate(tmp_path: Path) -> None:
    """A file that is not there, and one that is something else."""
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    for file in (tmp_path / "nowhere.pem", text):
        ((level, said),) = found(file, file)
        assert (level, file.name in said) == (Level.PROBLEM, True)
