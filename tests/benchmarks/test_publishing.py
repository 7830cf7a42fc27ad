"""The benchmark of publishers runs. How fast anything is, is not asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]


def test_every_way_has_its_figures(tmp_path: Path) -> None:
    """With one thread and with fifty."""
    files = ["--json", str(tmp_path / "figures.json"), "--markdown", str(tmp_path / "page.md")]
    command = [sys.executable, "-m", "benchmarks.publishing", "--quick", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rounds = msgspec.json.decode((tmp_path / "figures.json").read_bytes())["rounds"]
    ways = ("Publisher", "requests", "httpx2", "cent", "Publisher, Redis")
    assert set(rounds) == {f"{way}, {threads}" for way in ways for threads in (1, 50)}
    assert all(each["per_second"] > 0 for way in rounds.values() for each in way)
    assert "| Publisher, Redis |" in (tmp_path / "page.md").read_text()
