"""Starts Redis again and again, and is interrupted each time at another moment. Says what is left of it all.

Run as a program by a test, since what interrupts this process would interrupt a test run.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from tests.testing.services.programs import children

from tidings.testing.services import RedisServer
from tidings.testing.services.base import ask_until
from tidings.testing.services.reaper import reaper

TIMES = 25
STEP = 0.003
"""Seconds: a start takes some 0.03, of which every part is interrupted."""


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def start_for(seconds: float) -> bool:
    """Whether it was interrupted before it was ready."""
    redis = RedisServer()
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        redis.start()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        redis.stop()
    return False


def main() -> None:
    signal.signal(signal.SIGALRM, interrupt)
    reaper()
    interrupted = [start_for(STEP * (number + 1) / 2) for number in range(TIMES)]
    ask_until(lambda: children() == [reaper().pid], 5.0)
    left = [pid for pid in children() if pid != reaper().pid]
    folders = list(Path(tempfile.gettempdir()).glob("tidings-redis-*"))
    sys.stdout.write(f"{'interrupted' if any(interrupted) else 'never interrupted'}, and ")
    sys.stdout.write("nothing is left\n" if not left and not folders else f"left are {left} {folders}\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        main()
