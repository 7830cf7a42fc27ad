"""Options become a plan: what is started, what pytest is told, and what is refused."""

from __future__ import annotations

import math
import re
import typing
from pathlib import Path
from typing import Any

import pytest

from tidings.cli import test as command
from tidings.testing.runner.plan import Level, Options, PlanError, plan, shown

pytestmark = pytest.mark.core

ALL = ("coverage", "pytest_timeout")


def arguments(**options: Any) -> list[str]:
    return [word for word in plan(Options(**options), {}, ALL).arguments if word != "--no-header"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"everything": True}, []),
        ({"level": Level.UNIT}, ["-m", "L1 or unit"]),
        ({"level": Level.INTEGRATION}, ["-m", "L2 or L3 or integration"]),
        ({"level": Level.E2E}, ["-m", "L4"]),
        ({"level": Level.PERFORMANCE}, ["-m", "performance"]),
        ({"level": Level.INTEGRATION, "markers": "L3"}, ["-m", "(L2 or L3 or integration) and (L3)"]),
        ({"markers": "not load"}, ["-m", "not load"]),
        ({"smoke": True}, ["-m", "smoke"]),
        ({"smoke": True, "resilience": True}, ["-m", "smoke or resilience"]),
        ({"performance": True, "categories": ("performance",)}, ["-m", "performance"]),
        ({"categories": ("integration_real_server",)}, ["-m", "integration_real_server"]),
        ({"categories": ("redis_subscriber",)}, ["--tidings-category=redis_subscriber"]),
        ({"fail_fast": True}, ["--exitfirst"]),
        (
            {"categories": ("redis_subscriber", "security"), "smoke": True},
            ["--tidings-category=redis_subscriber", "--tidings-category=security", "--tidings-category=smoke"],
        ),
        ({"timeout": 300.0}, ["--timeout=300"]),
        ({"timeout": 1234567.5}, ["--timeout=1234567.5"]),
        ({"test_dir": Path()}, ["."]),
        ({"junit": Path("out.xml")}, ["--junit-xml=out.xml"]),
        ({"arguments": ("-n", "2")}, ["-n", "2"]),
        ({"real_redis": True}, ["--require=redis"]),
    ],
)
def test_what_pytest_is_told(options: dict[str, Any], expected: list[str]):
    """One line for each option."""
    assert arguments(**options) == expected


def test_verbose_names_each_test():
    """And the head of pytest's output is shown."""
    assert plan(Options(verbose=True), {}, ALL).arguments == ("-v",)


def test_a_dry_run_only_collects():
    """It writes nothing and requires nothing, but says what would be started, and the command that would run."""
    made = plan(Options(dry_run=True, real_redis=True, coverage=True, junit=Path("out.xml")), {}, ALL)
    assert made.list_command("python") == ["python", "-m", "pytest", "--collect-only", "-q"]
    assert made.starts == ("redis",)
    ran = "python -m coverage run -m pytest --no-header --require=redis --junit-xml=out.xml"
    assert " ".join(made.command("python")) == ran


def test_a_redis_is_started_unless_one_is_named():
    """The one that is meant for tests comes first, and is handed on under both names."""
    assert plan(Options(real_redis=True), {}, ALL).starts == ("redis",)
    for given in ({"REDIS_URL": "redis://a"}, {"REDIS_TEST_URL": "redis://a", "REDIS_URL": "redis://b"}):
        made = plan(Options(real_redis=True), given, ALL)
        assert made.starts == ()
        assert made.environment == {"REDIS_URL": "redis://a", "REDIS_TEST_URL": "redis://a"}
    assert plan(Options(), {"REDIS_URL": "redis://a"}, ALL).environment == {}


def test_the_command_line():
    """Coverage runs pytest; the results go where the runner reads them."""
    made = plan(Options(coverage=True), {}, ALL)
    assert made.command("python", report=Path("r")) == [
        *("python", "-m", "coverage", "run", "-m", "pytest", "--no-header", "--tidings-report=r"),
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"everything": True, "smoke": True}, "--all runs every test"),
        ({"everything": True, "level": Level.UNIT}, "--all runs every test"),
        ({"timeout": 0.0}, "above 0"),
        ({"timeout": math.nan}, "above 0"),
        ({"timeout": math.inf}, "above 0"),
        ({"junit": Path("/")}, "--junit / is a folder: name a file in it"),
        ({"timeout": 1.0}, "pip install pytest-timeout"),
        ({"coverage": True}, "pip install coverage"),
        ({"test_dir": Path("no/such/folder")}, "no such folder"),
        ({"html": Path("no/such/page.html")}, "there is no folder no/such"),
        ({"junit": Path("no/such/page.xml")}, "there is no folder no/such"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_started(options: dict[str, Any], sentence: str):
    """One sentence each."""
    with pytest.raises(PlanError, match=sentence):
        plan(Options(**options), {}, ())


def test_no_secret_is_shown():
    """Addresses are, without their passwords."""
    variables = {"JWT_SECRET_KEY": "hush", "REDIS_URL": "redis://:hush@h:1/0", "SERVER_URL": "ws://s", "HOME": "/"}
    told = {"REDIS_URL": "redis://:***@h:1/0", "JWT_SECRET_KEY": "(set)", "SERVER_URL": "ws://s"}
    assert shown(variables) == told
    assert shown({"REDIS_URL": "redis://:hush@[h"}) == {"REDIS_URL": "(not an address)"}


def test_the_command_offers_the_levels_that_there_are():
    """It names them without importing the runner, which needs pytest."""
    hint = typing.get_type_hints(command.test, include_extras=True)["level"]
    (option,) = hint.__metadata__
    assert [name for name in re.findall(r"[a-z0-9]+", option.help.partition(":")[2]) if name in list(Level)] == [*Level]


def test_a_level_that_there_is_not_is_one_sentence():
    """For one of the markers it says how to choose that."""
    assert [Level.named(level) for level in Level] == [*Level]
    with pytest.raises(PlanError, match=r"^--level x: there is no such level; there are unit, .*, performance\.$"):
        Level.named("x")
    with pytest.raises(PlanError, match="; for L3 alone: --markers L3"):
        Level.named("L3")
