"""What a run will do, worked out before anything is done: values in, values out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from tidings.testing.plugin.levels import MARKED


class PlanError(ValueError):
    """The options cannot be carried out. One sentence that says what to do."""


class Level(StrEnum):
    """How much of the system takes part; what `--level` offers."""

    UNIT = "unit"
    INTEGRATION = "integration"
    E2E = "e2e"
    PERFORMANCE = "performance"

    @classmethod
    def named(cls, name: str) -> Level:
        """The level of this name. Raises `PlanError` for one that there is not."""
        if name in list(cls):
            return cls(name)
        marker = f"; for {name} alone: --markers {name}" if name in MARKED else ""
        raise PlanError(f"--level {name}: there is no such level; there are {', '.join(cls)}{marker}.")


SELECTS: Mapping[Level, str] = {
    Level.UNIT: "L1 or unit",
    Level.INTEGRATION: "L2 or L3 or integration",
    Level.E2E: "L4",
    Level.PERFORMANCE: "performance",
}
"""The marker expression of each level."""

HANDED_OVER = ("REDIS_URL", "REDIS_TEST_URL", "KAFKA_BOOTSTRAP_SERVERS", "JWT_SECRET_KEY", "SERVER_URL")
"""What tests are told by the environment, and a run therefore shows."""

SECRET = ("JWT_SECRET_KEY",)

REDIS = ("REDIS_TEST_URL", "REDIS_URL")
"""Where a Redis may be named, the one that is meant for tests first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `tidings test` was told."""

    level: Level | None = None
    categories: tuple[str, ...] = ()
    markers: str = ""
    real_redis: bool = False
    everything: bool = False
    smoke: bool = False
    performance: bool = False
    resilience: bool = False
    fail_fast: bool = False
    verbose: bool = False
    dry_run: bool = False
    coverage: bool = False
    timeout: float | None = None
    test_dir: Path | None = None
    junit: Path | None = None
    html: Path | None = None
    arguments: tuple[str, ...] = ()
    """Further ones, for pytest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to start, what to tell pytest, and what else to do. `starts` are services by name."""

    arguments: tuple[str, ...]
    listing: tuple[str, ...] = ()
    """The arguments with which pytest names the tests and runs none."""
    starts: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    coverage: bool = False
    dry_run: bool = False
    html: Path | None = None

    def command(self, python: str, *, report: Path | None = None) -> list[str]:
        """The command line of pytest. It writes its results into `report`."""
        measured = ["-m", "coverage", "run"] if self.coverage else []
        written = [f"--tidings-report={report}"] if report else []
        return [python, *measured, "-m", "pytest", *self.arguments, *written]

    def list_command(self, python: str) -> list[str]:
        """The command line of a pytest that only names the tests."""
        return [python, "-m", "pytest", *self.listing]


def plan(options: Options, environment: Mapping[str, str], installed: Iterable[str]) -> Plan:
    """What these options mean in this environment, where these modules are installed. Raises `PlanError`."""
    check(options, frozenset(installed))
    given = next((environment[name] for name in REDIS if environment.get(name)), "")
    return Plan(
        arguments=tuple(pytest_arguments(options)),
        listing=tuple(pytest_arguments(options, listing=True)),
        starts=("redis",) if options.real_redis and not given else (),
        environment=dict.fromkeys(REDIS, given) if options.real_redis and given else {},
        coverage=options.coverage,
        dry_run=options.dry_run,
        html=options.html,
    )


def check(options: Options, installed: frozenset[str]) -> None:
    """Raise `PlanError` for what contradicts itself or is not there."""
    chosen = options.level or options.categories or options.markers
    if options.everything and (chosen or options.smoke or options.performance or options.resilience):
        raise PlanError("--all runs every test; leave it out to choose some.")
    if options.timeout is not None and not 0 < options.timeout < math.inf:
        raise PlanError("--timeout is a number of seconds above 0.")
    if options.timeout is not None and "pytest_timeout" not in installed:
        raise PlanError("--timeout is pytest-timeout's: pip install pytest-timeout.")
    if options.coverage and "coverage" not in installed:
        raise PlanError("--coverage is measured by coverage: pip install coverage.")
    if options.test_dir is not None and not options.test_dir.exists():
        raise PlanError(f"--test-dir {options.test_dir}: there is no such folder or file.")
    for name, file in {"--junit": options.junit, "--html": options.html}.items():
        if file is not None and not file.absolute().parent.is_dir():
            raise PlanError(f"{name} {file}: there is no folder {file.parent}.")
        if file is not None and file.is_dir():
            raise PlanError(f"{name} {file} is a folder: name a file in it.")


def pytest_arguments(options: Options, *, listing: bool = False) -> Iterable[str]:
    """The arguments of pytest, to run the tests or only to name them. Those of the user come last, and so win."""
    if listing:
        yield from ("--collect-only", "-q")
    else:
        yield from (("-v",) if options.verbose else ("--no-header",))
    if expression := marker_expression(options):
        yield from ("-m", expression)
    if not are_markers(options):
        yield from (f"--tidings-category={name}" for name in categories(options))
    if options.real_redis and not listing:
        yield "--require=redis"
    if options.fail_fast:
        yield "--exitfirst"
    if options.timeout is not None:
        yield f"--timeout={options.timeout:.15g}"
    if options.junit is not None and not listing:
        yield f"--junit-xml={options.junit}"
    if options.test_dir is not None:
        yield str(options.test_dir)
    yield from options.arguments


def categories(options: Options) -> list[str]:
    """All that were named, each once. A test is chosen if it is of one of them."""
    flags = {"smoke": options.smoke, "performance": options.performance, "resilience": options.resilience}
    return list(dict.fromkeys([*options.categories, *(name for name, wanted in flags.items() if wanted)]))


def are_markers(options: Options) -> bool:
    return MARKED.issuperset(options.categories)


def marker_expression(options: Options) -> str:
    """What `-m` selects: the level, and of it the categories, and of these the markers; "" for everything.

    One category that no marker stands for hands all of them to the plugin: pytest has no `or` between a marker and a
    name.
    """
    marked = " or ".join(categories(options)) if are_markers(options) else ""
    parts = [SELECTS[options.level] if options.level else "", marked, options.markers]
    wanted = [part for part in parts if part]
    return wanted[0] if len(wanted) == 1 else " and ".join(f"({part})" for part in wanted)


def shown(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that tests are told, fit to be printed: no secret, and no password in an address."""
    told = {name: variables[name] for name in HANDED_OVER if variables.get(name)}
    return {name: "(set)" if name in SECRET else without_password(value) for name, value in told.items()}


def without_password(url: str) -> str:
    """An address whose password is three stars."""
    try:
        password = urlsplit(url).password if "://" in url else None
    except ValueError:
        return "(not an address)"  # And so nobody knows where its password is.
    return url.replace(f":{password}@", ":***@") if password else url
