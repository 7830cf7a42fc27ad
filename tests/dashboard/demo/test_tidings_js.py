"""The page's client keeps the protocol's rules: its tests are `tidings.test.mjs`, run by node's own test runner."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

pytestmark = pytest.mark.world

OLDEST_NODE = 20


def node_version() -> int:
    """The major version of the node on the PATH, 0 for none."""
    if shutil.which("node") is None:
        return 0
    found = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.match(r"v(\d+)", found)[1])


@pytest.mark.skipif(node_version() < OLDEST_NODE, reason=f"needs node {OLDEST_NODE} or newer on the PATH")
def test_client_keeps_the_rules(tmp_path: Path) -> None:
    """Every test of the client passes in node."""
    demo = files("tidings.dashboard.demo")
    for script in demo.iterdir():
        if script.name.endswith(".js"):
            tmp_path.joinpath(script.name).write_bytes(script.read_bytes())
    tmp_path.joinpath("package.json").write_text('{"type": "module"}')  # without it, node takes them for CommonJS
    ran = subprocess.run(
        ["node", "--test", str(Path(__file__).with_name("tidings.test.mjs"))],
        env=os.environ | {"DEMO": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# fail 0" in ran.stdout
