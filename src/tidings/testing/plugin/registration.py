"""Options, markers, and which parts of the plugin take part in a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidings.testing.plugin.honesty import Honesty
from tidings.testing.plugin.justified import MARK
from tidings.testing.plugin.levels import CATEGORIES, LEVELS, Levels
from tidings.testing.plugin.measured import Stage
from tidings.testing.plugin.orphans import end_with, waits_for
from tidings.testing.plugin.reporter import Notes, Reporter
from tidings.testing.plugin.services import KINDS, REQUIRED, Services, required

PLAYWRIGHT = "playwright"
"""The name under which pytest-playwright registers itself."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tidings", "Tidings")
    group.addoption(
        "--require",
        default="",
        metavar="SERVICES",
        help=f"services whose absence is a failure instead of a skip, with commas: {', '.join(KINDS)}; or all",
    )
    group.addoption(
        "--tidings-category",
        action="append",
        default=[],
        metavar="NAME",
        help="only tests with this marker, or with these words (redis_subscriber) in the name of their file or class",
    )
    group.addoption("--tidings-report", metavar="FILE", help="write what happened to FILE, one JSON object a line")
    parser.addini("tidings_honesty", "mocks in L3 and L4 tests need @mock_justified", type="bool", default=True)
    parser.addini("tidings_measured", "performance tests have to report something", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    if parent := waits_for(config):
        end_with(parent)
    for name, meaning in {**LEVELS, **CATEGORIES}.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    config.addinivalue_line("markers", f"{MARK}(reason): why a mock is right in an L3 or L4 test")
    try:
        config.stash[REQUIRED] = required(config.getoption("--require"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    try:
        found = parts(config)
    except OSError as error:
        raise pytest.UsageError(f"--tidings-report {error.filename} cannot be written: {error.strerror}.") from error
    for part in found:
        config.pluginmanager.register(part)


def parts(config: pytest.Config) -> list[object]:
    from tidings.testing.plugin import browsers, fixtures

    found: list[object] = [
        fixtures,
        Levels(config.getoption("--tidings-category")),
        Services(),
        Stage(required=config.getini("tidings_measured")),
        Notes(),
    ]
    if config.getini("tidings_honesty"):
        found.append(Honesty(config.rootpath))
    if not config.pluginmanager.has_plugin(PLAYWRIGHT):
        found.append(browsers)
    if not hasattr(config, "workerinput"):
        file = config.getoption("--tidings-report")
        found.append(Reporter(Path(file) if file else None))
    return found
