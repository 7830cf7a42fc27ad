"""docs/testing: the examples that are whole files run as they stand, and each page says how its blocks are run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.pages import DOCS, ROOT, blocks, page

from tidings.testing import RedisServer

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(180)]


def pytest_in(folder: Path, settings: str, **files: str) -> str:
    """What pytest says of these files in a folder of their own."""
    RedisServer.require()
    (folder / "pyproject.toml").write_text(settings)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr


def test_the_beginning_passes(tmp_path: Path) -> None:
    """With the settings that the page gives."""
    text = page("testing/README.md")
    (settings,), (test,) = blocks(text, "toml"), blocks(text, "python")
    said = pytest_in(tmp_path, settings, test_redis=test)
    assert "1 passed" in said and "warning" not in said, said


def test_the_first_application_passes(tmp_path: Path) -> None:
    """Application, settings and tests."""
    text = page("testing/first.md")
    (settings,), (application, tests) = blocks(text, "toml"), blocks(text, "python")
    said = pytest_in(tmp_path, settings, main=application, test_chat=tests)
    assert "2 passed" in said and "warning" not in said, said


@pytest.mark.parametrize("name", sorted(path.name for path in (DOCS / "testing").glob("*.md")))
def test_a_page_says_how_its_blocks_are_run(name: str) -> None:
    """Or has whole files only. What it installs is there: nothing of ours is on an index."""
    text = page(f"testing/{name}")
    assert 'pip install "tidings' not in text
    if any("await " in block for block in blocks(text, "python")) and name not in ("README.md", "first.md"):
        beginning, _, _ = text.partition("\n## ")
        assert "README.md#how-to-begin" in beginning


def test_the_examples_install_what_there_is() -> None:
    assert 'pip install "tidings' not in (ROOT / "examples" / "testing" / "README.md").read_text()
