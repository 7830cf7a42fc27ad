"""A pytest of its own for each test, with the plugin in it: in this process, or apart in another."""

from __future__ import annotations

# What a run imports is forgotten after it; a second `unittest.mock` would be one that the plugin does not know.
import unittest.mock
from collections.abc import Callable
from functools import partial

import pytest

import tidings.testing.plugin
from tidings.testing.runner.run import plugin

CONFIGURATION = """
[pytest]
addopts = --strict-markers --import-mode=importlib -p no:cacheprovider
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

assert unittest.mock

OUTSIDE = ("CI", "REDIS_URL", "REDIS_TEST_URL", "SERVER_URL", "JWT_SECRET_KEY", "KAFKA_BOOTSTRAP_SERVERS")

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a test module, with further arguments of pytest and lines of its settings."""
    # By name it would have to be imported anew, for its assertions to be rewritten.
    unregistered = plugin()[-1] == tidings.testing.plugin.__name__
    plugins = [tidings.testing.plugin] if unregistered else []
    return runner(pytester, monkeypatch, partial(pytester.runpytest_inprocess, plugins=plugins))


@pytest.fixture
def run_apart(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same in another process."""
    return runner(pytester, monkeypatch, partial(pytester.runpytest_subprocess, *plugin()))


def runner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, start: Run) -> Run:
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)

    def run(body: str, *arguments: str, settings: str = "") -> pytest.RunResult:
        pytester.makefile(".ini", pytest=CONFIGURATION + settings)
        pytester.makepyfile(body)
        return start(*arguments)

    return run
