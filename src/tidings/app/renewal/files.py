"""Whether files have changed: looked at again and again, since no system tells it in all cases.

What counts is the file that a name leads to, so that the exchange of a symbolic link, as Kubernetes renews secrets, is
a change like any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

INTERVAL = 1.0
"""Seconds between two looks."""

Look = Mapping[Path, tuple[int, ...] | None]
"""What tells a file from itself after a change; None for one that is not there."""


def look(paths: Iterable[Path]) -> Look:
    """Look at the files."""
    return {path: _looks(path) for path in paths}


class Watch:
    """Compares looks. A change counts once it stays as it is from one look to the next: nobody is still writing."""

    def __init__(self, seen: Look) -> None:
        self._known = self._last = seen

    def know(self, seen: Look) -> None:
        """What is there now is going to be read anyway, and is a change no more."""
        self._known = self._last = seen

    def has_changed(self, seen: Look) -> bool:
        """Take the next look. True once per change."""
        settled = seen == self._last
        self._last = seen
        if not settled or seen == self._known:
            return False
        self._known = seen
        return True


def _looks(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
