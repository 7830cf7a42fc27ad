"""`tidings config check` says what it has looked at."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.world.command import PATIENCE, command

from tidings.testing.services.node import environment

pytestmark = [pytest.mark.world, pytest.mark.L3]


def check(folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code, and what was said, of the command in a folder."""
    ended = subprocess.run(
        command("config", "check", *arguments),
        cwd=folder,
        env={**environment(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    return ended.returncode, ended.stdout


def test_a_file_that_was_found_is_named(tmp_path: Path):
    (tmp_path / "tidings.toml").write_text("[server]\nport = 8001\n")
    assert check(tmp_path) == (0, "The settings of tidings.toml and the environment are right.\n")


def test_a_file_that_was_given_is_named(tmp_path: Path):
    """By --config, which counts, or by TIDINGS_CONFIG; a ./tidings.toml is not looked at then."""
    (tmp_path / "tidings.toml").write_text("not TOML")
    (file := tmp_path / "other.toml").write_text("")
    sentence = f"The settings of {file} and the environment are right.\n"
    assert check(tmp_path, "--config", str(file), TIDINGS_CONFIG="nowhere.toml") == (0, sentence)
    assert check(tmp_path, TIDINGS_CONFIG=str(file)) == (0, sentence)


def test_it_says_that_there_was_no_file(tmp_path: Path):
    """Somebody who stands in another folder would think otherwise that his file is right."""
    assert check(tmp_path) == (
        0,
        "No settings file was found (neither --config nor TIDINGS_CONFIG names one, and there is no ./tidings.toml); "
        "the defaults and the environment are right.\n",
    )
