"""npm's centrifuge, as it is, in both encodings: its tests are the `*.test.mjs` here, run by node's own test runner."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.world.conftest import MOUNTED, hosted
from tests.world.settings import KEY, SECRET

from tidings.testing import AsgiApp, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

HERE = Path(__file__).parent
SCRIPTS = sorted(script.name.removesuffix(".test.mjs") for script in HERE.glob("*.test.mjs"))
APPLICATION = "application"
PATIENCE = 50.0
"""Seconds for one script: less than pytest's own limit, so that what the script says is seen."""


@pytest.fixture(scope="module")
def application() -> Iterator[AsgiApp]:
    with hosted() as application:
        yield application


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node on the PATH")
@pytest.mark.skipif(not (HERE.parent / "node_modules").exists(), reason="needs `npm ci --prefix tests/world`")
@pytest.mark.parametrize("encoding", ["json", "protobuf"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_script(script: str, encoding: str, server: TidingsNode, application: AsgiApp) -> None:
    """Every test of the script passes in node."""
    visited = (
        {"SERVER": application.url, "WEBSOCKET": application.websocket(MOUNTED)}
        if script == APPLICATION
        else {"SERVER": server.url, "WEBSOCKET": server.websocket}
    )
    ran = subprocess.run(
        ["node", "--test", "--test-reporter=tap", str(HERE / f"{script}.test.mjs")],
        env={**os.environ, **visited, "SECRET": SECRET, "KEY": KEY, "ENCODING": encoding},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^# pass [1-9]", ran.stdout, re.MULTILINE)
