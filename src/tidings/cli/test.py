"""The command that runs tests.

What it calls is imported when it is called: a server is installed without pytest, and has all the other commands.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tidings.errors import TidingsError

NOT_RUN = 3
"""Pytest's own code for a run that came to nothing; 1 would say that tests have failed."""


def test(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="PYTEST", help="Further arguments of pytest, after --.")
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="How much is real: unit (L1), integration (L2, L3), e2e (L4), performance."),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A marker, or words in the names of files and classes. May be repeated."),
    ] = None,
    markers: Annotated[str, typer.Option(metavar="EXPRESSION", help="A marker expression, as pytest's -m.")] = "",
    real_redis: Annotated[
        bool,
        typer.Option("--real-redis", help="Start a Redis once, unless REDIS_TEST_URL or REDIS_URL names one."),
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Run every test, as without any of these.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="The quick look.")] = False,
    performance: Annotated[bool, typer.Option("--performance", help="The measurements.")] = False,
    resilience: Annotated[bool, typer.Option("--resilience", help="What happens when parts fail.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")] = False,
    fast_fail: Annotated[bool, typer.Option("--fast-fail", hidden=True, help="The same as --fail-fast.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name each test.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be started and run.")] = False,
    coverage: Annotated[bool, typer.Option("--coverage/--no-coverage", help="Measure which lines ran.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long one test may take, by pytest-timeout.")
    ] = None,
    test_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the tests are. \\[default: as pytest is configured]")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results as JUnit XML.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the summary as a page.")] = None,
) -> int:
    """Run tests: start what they need once, run pytest, and sum up by category with the slowest and the measured.

    The exit code is pytest's.
    """
    return _run(
        level=level,
        categories=tuple(category or ()),
        markers=markers,
        real_redis=real_redis,
        everything=everything,
        smoke=smoke,
        performance=performance,
        resilience=resilience,
        fail_fast=fail_fast or fast_fail,
        verbose=verbose,
        dry_run=dry_run,
        coverage=coverage,
        timeout=timeout,
        test_dir=test_dir,
        junit=junit,
        html=html,
        arguments=tuple(arguments or ()),
    )


def _run(*, level: str | None, **options: Any) -> int:
    """The runner, whose failures become the command's."""
    try:
        from tidings.testing.runner import Level, Options, PlanError, run
        from tidings.testing.services import ServiceError
    except ImportError as error:
        raise TidingsError(f'{error.name} is not installed: pip install "tidings[testing]".') from error
    try:
        return run(Options(level=Level.named(level) if level is not None else None, **options))
    except PlanError as error:
        raise typer.BadParameter(str(error)) from error
    except ServiceError as error:
        print(f"tidings: {error}", file=sys.stderr)
        return NOT_RUN
