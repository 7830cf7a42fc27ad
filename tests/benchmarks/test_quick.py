"""The benchmarks run, count exactly and lose nothing. How fast anything is, is not asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

pytestmark = [pytest.mark.world, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
SERVERS = ["raw", "starlette", "tidings"]
ROWS = ["single", "burst", "memory", "connecting", "sustained", "stalled"]

Rows = dict[str, dict[str, list[dict[str, float]]]]


def quick(directory: Path, *arguments: str) -> Rows:
    """Run the benchmarks in small, and answer every round's figures by row and server."""
    figures, tables = directory / "figures.json", directory / "tables.md"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(figures), "--markdown", str(tables)]
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not measured" not in tables.read_text()
    rows: Rows = msgspec.json.decode(figures.read_bytes())["rows"]
    return rows


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return quick(tmp_path_factory.mktemp("benchmarks"), *ROWS)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(("row", "deliveries"), [("single", 50 * (20 + 16)), ("burst", 50 * (5 * 8 + 16))])
def test_every_publication_reaches_every_subscriber_once_and_in_order(
    rows: Rows, row: str, deliveries: int, server: str
) -> None:
    """A figure per delivery is worth something only if the deliveries are the ones that were asked for."""
    for figures in rows[row][server]:
        assert figures["expected"] == deliveries
        assert figures["lost"] == figures["disordered"] == figures["closed"] == 0
        assert figures["cpu_us"] > 0
        assert 0 < figures["p50_ms"] <= figures["p95_ms"] <= figures["p99_ms"]


@pytest.mark.parametrize("server", ["starlette", "tidings"])
def test_a_subscriber_has_a_size(rows: Rows, server: str) -> None:
    """Each connection holds at least its own state. The raw loop's is too small for 100 of them to fill a page each."""
    assert all(figures["kib"] > 0.1 for figures in rows["memory"][server])


@pytest.mark.parametrize("server", SERVERS)
def test_letting_a_client_in_has_a_price(rows: Rows, server: str) -> None:
    """Every client is accepted, so there is CPU time to divide by their number, and each of them waited."""
    for figures in rows["connecting"][server]:
        assert figures["cpu_us"] > 0
        assert 0 < figures["p50_ms"] <= figures["p95_ms"] <= figures["p99_ms"]


@pytest.mark.parametrize("server", SERVERS)
def test_a_sustained_stream_arrives_whole_and_in_order(rows: Rows, server: str) -> None:
    """All of what was offered is counted, and in how much time it came."""
    for figures in rows["sustained"][server]:
        assert figures["expected"] == 120 * 50
        assert figures["lost"] == figures["disordered"] == figures["closed"] == 0
        assert figures["per_second"] > 0


@pytest.mark.parametrize("server", ["raw", "tidings"])
def test_a_stalled_client_takes_nothing_from_the_others(rows: Rows, server: str) -> None:
    """Everybody gets the whole broadcast while all read, and the others still do when one stops."""
    for figures in rows["stalled"][server]:
        assert figures["expected"] == 4 * 320
        assert figures["lost"] == figures["disordered"] == figures["closed"] == 0
        assert figures["received_share"] == 1.0
        assert figures["p99_ratio"] > 0


def test_the_loop_one_would_otherwise_write_waits_for_the_stalled_client(rows: Rows) -> None:
    """Shows that the client does stall: who awaits its socket delivers to nobody else any more."""
    assert all(figures["received_share"] < 1.0 for figures in rows["stalled"]["starlette"])


def test_the_python_programs_count_the_same(tmp_path: Path) -> None:
    """Without a compiler the figures come from other programs, which have to be as exact."""
    for server, rounds in quick(tmp_path, "--no-compiler", "burst")["burst"].items():
        assert server in SERVERS
        assert all(figures["lost"] == figures["disordered"] == 0 for figures in rounds)
