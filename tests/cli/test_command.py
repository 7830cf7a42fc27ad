"""`--help` of every command reads like documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup
from typer.testing import CliRunner

from tidings.cli.main import app

pytestmark = pytest.mark.shell

WIDTHS = (80, 120)


def commands(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A command and those below it, each with the words that call it."""
    yield names, command
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from commands(below, *names, name)


COMMANDS = dict(commands(typer.main.get_command(app)))


def shown(words: tuple[str, ...], width: int) -> str:
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": str(width)})
    assert result.exit_code == 0, result.output
    return result.output


def rows(text: str) -> list[str]:
    """What is said of each argument, option and command below, without the lines of the table."""
    lines = [line.strip("│ ") for line in text.splitlines() if line.startswith("│")]
    begins = re.compile(r"(\* +)?(--?[a-z]|[A-Z]{2,} )")
    found: list[str] = []
    for line in lines:
        if begins.match(line) or not found:
            found.append(line)
        else:
            found[-1] += f" {line}"
    return found


def test_these_are_all_commands():
    assert {" ".join(words) for words in COMMANDS} >= {
        "",
        "serve",
        "token",
        "publish",
        "doctor",
        "test",
        "config check",
    }


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_there_is_no_name_of_a_type(words: tuple[str, ...], width: int):
    """Of Python's, such as <bool> beside a flag; nor is a range in the place of a sentence."""
    assert not re.search(r"<|\bbool\b|\bstr\b|\brange\b", shown(words, width))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_nothing_is_cut(words: tuple[str, ...], width: int):
    """And no line is wider than the terminal."""
    text = shown(words, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_default_is_said_once(words: tuple[str, ...], width: int):
    for row in rows(shown(words, width)):
        assert len(re.findall(r"\bdefault\b", row)) <= 1, row


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_everything_is_explained(words: tuple[str, ...]):
    """Every argument and option in a sentence; and what an option takes has a name that is written in capitals."""
    for parameter in COMMANDS[words].params:
        if parameter.hidden:
            continue
        assert parameter.help.rstrip("]").strip(), parameter.name
        takes_something = parameter.param_type_name == "argument" or not parameter.is_flag
        assert not takes_something or (parameter.metavar or "").isupper(), parameter.name
