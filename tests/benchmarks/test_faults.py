"""Redis is killed under load in small, and Tidings loses nothing silently where it keeps history."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
SMALL = ["--rounds", "1", "--seconds", "3", "--kill-at", "0.5", "--down", "0.5", "--at-once", "2"]


def test_the_table_of_losses_is_made(tmp_path: Path) -> None:
    """Every publication has an outcome, the checker agrees, and the rows are written where the document has marks."""
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    page.write_text("before\n<!-- faults: begin -->\nyesterday\n<!-- faults: end -->\nafter\n")
    command = [sys.executable, "-m", "benchmarks.faults", "--paths", "plain,kept", *SMALL]
    command += ["--json", str(figures), "--markdown", str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = msgspec.json.decode(figures.read_bytes())["outcomes"]
    for (outcome,) in (outcomes["plain"], outcomes["kept"]):
        assert outcome["offered"] == outcome["accepted"] + outcome["refused"] == 150
        assert outcome["duplicates"] == 0
        assert outcome["verdict"] == "kept"
    assert outcomes["kept"][0]["lost"] == outcomes["kept"][0]["told"]
    text = page.read_text()
    assert text.startswith("before") and text.rstrip().endswith("after")
    assert "yesterday" not in text and "Tidings, with history" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--paths", "carrier-pigeon"], "there is no path carrier-pigeon"),
        (["--paths", "kept", "--seconds", "3"], "Redis has to be back before the last publication"),
        (["--paths", "core", "--peers", "nowhere/python"], "`make bench-faults` installs the peers"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(arguments: list[str], sentence: str) -> None:
    """Before anything is started."""
    command = [sys.executable, "-m", "benchmarks.faults", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
