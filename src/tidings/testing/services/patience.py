"""Waiting by asking: again and again until it is so, and not longer than one has patience."""

from __future__ import annotations

import time
from collections.abc import Callable

ASK_AGAIN = 0.02
"""Seconds between two looks."""


def ask_until(is_so: Callable[[], bool], timeout: float) -> bool:
    """Ask again and again until it is so; False if it was not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(ASK_AGAIN)
    return True
