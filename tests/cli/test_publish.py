"""`tidings publish` and servers that are none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.gateway.transports.endless import Endless
from tests.world.command import PATIENCE, command

from tidings.testing.services.node import environment

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.mark.parametrize(
    ("headers", "why"),
    [([], "the answer is longer than 65536 bytes"), (["content-encoding: gzip"], "the answer is compressed")],
)
def test_an_answer_that_is_not_read(tmp_path: Path, headers: list[str], why: str) -> None:
    """Is one sentence, which does not say that nothing was published."""
    with Endless(200, *headers) as stranger:
        ended = subprocess.run(
            command("publish", "news", "1", "--key", "k", "--url", stranger.url),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert ended.returncode == 1
    assert ended.stderr == f"tidings: outcome unknown: {stranger.url} answers 200, and {why}.\n"
