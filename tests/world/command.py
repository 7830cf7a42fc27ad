"""Commands of `tidings`, with what belongs to them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.world.settings import Settings

from tidings.testing.services.node import environment, toml

PATIENCE = 20.0
"""Seconds for whatever has to come, on a machine that is busy with other things."""

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
"""Where the commands run: somebody's own tidings.toml, which lies where he works, is not found."""


def command(*arguments: str | Path) -> list[str]:
    """The command line of `tidings`."""
    return [sys.executable, "-m", "tidings.cli", *map(str, arguments)]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        command(*arguments), cwd=HERE, env=environment(), capture_output=True, text=True, timeout=PATIENCE
    )


def written(settings: Settings, directory: Path) -> Path:
    """A file with these settings."""
    file = directory / "tidings.toml"
    file.write_text("".join(toml(settings)))
    return file
