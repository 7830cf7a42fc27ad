"""The description of the HTTP API, held against a server by schemathesis, which makes up requests from it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.world.command import ROOT
from tests.world.settings import SETTINGS

from tidings.testing import TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

KEY = "schemathesis"
CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED = "20261126"
EXAMPLES = "5"
PATIENCE = 100.0
SCHEMATHESIS = ROOT / "build/schemathesis"
"""Where `make test` installs it, for this test alone."""

UNFIT = ("positive_data_acceptance",)
"""Checks that say nothing here: a namespace that is made up is refused, and a schema does not know the namespaces."""


@pytest.fixture(scope="module")
def server() -> Iterator[TidingsNode]:
    """Statuses carry errors, so that what is refused can be told from what is done. All features are on."""
    channels = {**SETTINGS["channels"], "presence": True, "history_size": 10, "history_ttl": 60.0}
    settings = {**SETTINGS, "api": {"key": KEY, "error_mode": "transport"}, "channels": channels}
    with TidingsNode(settings) as server:
        yield server


@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="there is no schemathesis; `make test` installs it")
@pytest.mark.timeout(120)
def test_no_5xx_and_no_undocumented_answer(server: TidingsNode, tmp_path: Path) -> None:
    """Whatever is asked, by the rules or against them, is answered with a status, a type and a shape that are there.

    Bad requests are refused, whoever has no key gets 401, and other methods 405. The server lives on.
    """
    judged = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", f"--config-file={CONFIG}", "run"),
            f"{server.url}/api/openapi.json",
            *("--header", f"X-API-Key: {KEY}", "--seed", SEED, "--max-examples", EXAMPLES),
            *("--phases", "coverage,fuzzing", "--exclude-checks", ",".join(UNFIT)),
            *("--generation-database", "none", "--no-color", "--warnings", "off"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SCHEMATHESIS)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "Tested: 15" in judged.stdout
    assert httpx2.get(f"{server.url}/health").status_code == 200
