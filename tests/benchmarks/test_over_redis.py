"""The benchmarks over Redis run, and count exactly. How fast anything is, is not asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
NAMES = ["redis-publish", "redis-delivery", "redis-storm", "redis-memory", "redis-growth"]

Rows = dict[str, dict[str, dict[str, float]]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one small run has left its figures and its page."""
    directory = tmp_path_factory.mktemp("over-redis")
    files = ["--json", str(directory / "figures.json"), "--markdown", str(directory / "page.md")]
    command = [sys.executable, "-m", "benchmarks", *NAMES, "--quick", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@pytest.fixture(scope="module")
def rows(directory: Path) -> Rows:
    """The only round of each row."""
    found = msgspec.json.decode((directory / "figures.json").read_bytes())["redis"]["rows"]
    return {name: rounds[0] for name, rounds in found.items()}


def test_a_publication_has_a_price_on_both_sides(rows: Rows) -> None:
    """By one caller and by many, with history and without."""
    assert set(rows["redis-publish"]) == {f"{kind}, {count}" for kind in ("plain", "kept") for count in (1, 16, 256)}
    for figures in rows["redis-publish"].values():
        assert figures["per_second"] > 0
        assert figures["node_us"] > 0
        assert 0 < figures["p50_ms"] <= figures["p99_ms"]


def test_every_publication_crosses_nodes_once_and_in_order(rows: Rows) -> None:
    """Half of the subscribers are on the node to which nobody publishes."""
    figures = rows["redis-delivery"]["two nodes"]
    assert figures["expected"] == 10 * 40
    assert figures["lost"] == figures["disordered"] == figures["closed"] == 0
    assert 0 < figures["p50_ms"] <= figures["p95_ms"] <= figures["p99_ms"]


def test_all_clients_of_a_killed_node_recover_elsewhere(rows: Rows) -> None:
    """They are told that they have everything, and Redis is asked for it."""
    figures = rows["redis-storm"]["one node of two"]
    assert figures["recovered"] == figures["clients"] == 40
    assert figures["seconds"] > 0
    assert figures["scripts"] > 0


def test_what_is_kept_takes_memory(rows: Rows) -> None:
    """More publications take more of it, and so does a connection."""
    sizes = [rows["redis-memory"][f"a channel with {kept} of 100 bytes"]["bytes"] for kept in (0, 10, 100)]
    assert sizes == sorted(sizes)
    assert sizes[1] > 10 * 100
    assert rows["redis-memory"]["a connection"]["bytes"] > 0


def test_growth_is_drawn(rows: Rows, directory: Path) -> None:
    """Every direction has its bars, and everything that was published on the way arrived."""
    for figures in rows["redis-growth"].values():
        assert figures.get("lost", 0) == figures.get("disordered", 0) == 0
        assert figures["node_us"] > 0
    page = (directory / "page.md").read_text()
    for direction in ("nodes", "channels", "subscribers"):
        assert f"{direction}, Redis |" in page
