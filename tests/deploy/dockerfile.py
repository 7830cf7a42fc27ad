"""deploy/Dockerfile as values: its stages, and in each the instructions in order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "deploy" / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Instruction:
    word: str
    rest: str

    @property
    def words(self) -> Sequence[str]:
        """The exec form, which needs no shell. Raises `ValueError` for anything else."""
        value: Any = json.loads(self.rest[self.rest.index("[") :])
        return value


@dataclass(frozen=True, slots=True)
class Stage:
    base: str
    instructions: Sequence[Instruction]

    def all(self, word: str) -> list[Instruction]:
        return [one for one in self.instructions if one.word == word]

    def only(self, word: str) -> Instruction:
        """The one instruction of this kind."""
        (one,) = self.all(word)
        return one


def instructions(text: str) -> Iterator[Instruction]:
    without_comments = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", without_comments).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield Instruction(word, rest.strip())


def stages() -> list[Stage]:
    """The stages; what comes before the first one is left out."""
    found: list[tuple[str, list[Instruction]]] = []
    for one in instructions(FILE.read_text()):
        if one.word == "FROM":
            found.append((one.rest, []))
        elif found:
            found[-1][1].append(one)
    return [Stage(base, tuple(list_)) for base, list_ in found]


def allowed(path: str) -> bool:
    """Whether deploy/Dockerfile.dockerignore lets a path into the build: it forbids all, and then allows some."""
    first, *lines = [
        line for line in Path(f"{FILE}.dockerignore").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    assert first == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    return path.split("/")[0] in kept and "__pycache__" not in path.split("/")
