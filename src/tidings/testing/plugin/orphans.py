"""Test processes that do not outlive whoever waits for their results: pytest the runner, and a worker its pytest.

Who is killed with -9 ends nobody. So the child asks the system to be killed when its parent ends, which Linux offers;
elsewhere a worker goes on until its test is over. What the child has started then is its reaper's, as always.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import pytest

RUNNER = "TIDINGS_TEST_RUNNER"
"""The variable in which the runner tells pytest its number."""

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def waits_for(config: pytest.Config) -> int:
    """The process that waits for this one's results, 0 for a pytest that somebody has started by hand."""
    if hasattr(config, "workerinput"):
        return os.getppid()
    runner = os.environ.get(RUNNER, "")
    # A pytest that a test starts has the variable as well, and another parent.
    return os.getppid() if runner == str(os.getppid()) else 0


def end_with(parent: int) -> None:
    """From now on this process is killed when its parent, of this number, ends. Without Linux nothing happens."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # It has ended a moment ago, and nobody will be told of it any more.
        os.kill(os.getpid(), signal.SIGKILL)
