"""One thing that was looked at, and what is to be thought of it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from msgspec import Struct


class Level(Enum):
    """How bad it is."""

    OK = "ok"
    """As it should be."""
    WARNING = "warning"
    """It works, and promises less than it could, or will stop to work one day."""
    PROBLEM = "problem"
    """It does not work, or breaks a promise."""


class Finding(Struct, frozen=True):
    """`where` is a server, or what all of them form together; `text` says what is so, what follows, and what to do."""

    level: Level
    where: str
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.level.value:<8} {self.where}: {self.subject}: {self.text}"


Judging = Iterator[tuple[Level, str, str]]
"""Findings about one thing, as level, subject and text."""
