"""Loggers that are put back, and records to format."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator

import pytest

from tidings.clock import ManualClock

LOGGERS = (None, "tidings", "uvicorn", "uvicorn.error", "uvicorn.access", "websockets")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def loggers() -> Iterator[None]:
    """Whatever a test configures is as before when it ends."""
    before = [(one, one.level, one.handlers[:], one.propagate) for one in map(logging.getLogger, LOGGERS)]
    yield
    logging.captureWarnings(False)
    for logger, level, handlers, propagate in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate


@pytest.fixture
def utc() -> Iterator[None]:
    """Local time is UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.fixture
def environment() -> Iterator[Callable[..., None]]:
    """Sets variables of this process, which are as before when the test ends."""
    before = dict(os.environ)
    yield lambda **variables: os.environ.update(variables)
    os.environ.clear()
    os.environ.update(before)
