"""examples/testing: the toolkit finds what is wrong with a tutorial's chat, in fewer than forty lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tidings.testing import RedisServer

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "testing" / "test_app.py"


def test_the_faults_of_the_chat_are_found() -> None:
    """It connects and broadcasts; one stalled client freezes everybody, and a restart of Redis ends the broadcast."""
    RedisServer.require()
    command = [sys.executable, "-m", "pytest", str(EXAMPLE), "-p", "no:cacheprovider", "-p", "no:randomly"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "3 passed" in ran.stdout, ran.stdout + ran.stderr


def test_it_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 40
