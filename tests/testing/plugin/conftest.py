"""A pytest of its own for each test, with the plugin in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tidings.testing.runner.run import plugin

CONFIGURATION = """
[pytest]
addopts = --strict-markers --import-mode=importlib -p no:cacheprovider
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

OUTSIDE = ("CI", "REDIS_URL", "REDIS_TEST_URL", "SERVER_URL", "JWT_SECRET_KEY", "KAFKA_BOOTSTRAP_SERVERS")

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a test module in another process, with further arguments of pytest and lines of its settings."""
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)

    def run(body: str, *arguments: str, settings: str = "") -> pytest.RunResult:
        pytester.makefile(".ini", pytest=CONFIGURATION + settings)
        pytester.makepyfile(body)
        return pytester.runpytest_subprocess(*plugin(), *arguments)

    return run
