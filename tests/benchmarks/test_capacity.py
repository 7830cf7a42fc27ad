"""The capacity rows run, count exactly and lose nothing, with those peers that are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
ROWS = ["api", "crowd", "peers", "growth-connections", "growth-channels", "growth-size"]

Figures = dict[str, float]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("capacity")


@pytest.fixture(scope="module")
def content(directory: Path) -> dict[str, Any]:
    """What a small run wrote, into a page with marks for each row."""
    figures, page = directory / "figures.json", directory / "page.md"
    page.write_text("".join(f"<!-- benchmarks {name}: begin -->\n\n<!-- benchmarks {name}: end -->\n" for name in ROWS))
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(figures), "--markdown", str(page), *ROWS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    capacity: dict[str, Any] = msgspec.json.decode(figures.read_bytes())["capacity"]
    return capacity


def rounds(content: dict[str, Any], row: str, server: str) -> list[Figures]:
    measured: list[Figures] = content[row]["rows"][server]
    assert measured
    return measured


@pytest.mark.parametrize("server", ["bare", "tidings"])
@pytest.mark.parametrize("kind", ["publish", "batch"])
def test_publishing_by_http_has_a_rate_and_a_price(content: dict[str, Any], kind: str, server: str) -> None:
    """How busy server and client were is said beside it."""
    for figures in rounds(content, "api", server):
        assert figures[f"{kind}, per_second"] > 0
        assert figures[f"{kind}, cpu_us"] > 0
        assert 0 < figures[f"{kind}, p50_ms"] <= figures[f"{kind}, p99_ms"]
        assert figures[f"{kind}, server_share"] > 0
        assert figures[f"{kind}, load_share"] > 0


def test_everybody_in_a_crowd_gets_what_their_channel_got(content: dict[str, Any]) -> None:
    """Ten channels of ten members; each of forty publications reaches ten of a hundred connections."""
    for figures in rounds(content, "crowd", "tidings"):
        assert figures["100, open"] == 100
        assert figures["100, expected"] == 40 * 10
        assert figures["100, lost"] == figures["100, disordered"] == figures["100, closed"] == 0
        assert 0 < figures["100, p50_ms"] <= figures["100, p99_ms"]
        assert figures["100, kib"] > 0


def test_peers_deliver_as_much(content: dict[str, Any]) -> None:
    """Whoever is in the table got every publication to every subscriber; three of them are always there."""
    servers = content["peers"]["rows"]
    assert {"raw", "tidings", "starlette"} <= set(servers)
    for server in servers:
        for figures in rounds(content, "peers", server):
            assert figures["expected"] == (40 + 4) * (5 + 2 * 8)  # a tenth of them came before, to warm it up
            assert figures["lost"] == figures["disordered"] == figures["closed"] == 0
            assert figures["cpu_us"] > 0
            assert figures["burst_us"] > 0


@pytest.mark.parametrize(
    ("row", "counts"), [("connections", [10, 40]), ("channels", [1, 10, 100]), ("size", [16, 4096])]
)
def test_growth_is_measured_and_drawn(content: dict[str, Any], directory: Path, row: str, counts: list[int]) -> None:
    """Nothing is lost on the way, and the page shows the plots that lie beside it."""
    for figures in rounds(content, f"growth-{row}", "tidings"):
        for count in counts:
            assert figures[f"{count}, expected"] > 0
            assert figures[f"{count}, lost"] == 0
            assert figures[f"{count}, cpu_us"] > 0
    assert (directory / "plots" / f"{row}-cpu.svg").read_text().startswith("<svg")
    assert f"(plots/{row}-cpu.svg)" in (directory / "page.md").read_text()
