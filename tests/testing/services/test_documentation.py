"""docs/testing/services.md: its blocks run, its tables are those of the code."""

from __future__ import annotations

from typing import Any

import pytest
from tests.docs.blocks import run
from tests.docs.pages import blocks, page, rows, section
from tests.testing.services.programs import need

from tidings.testing import services
from tidings.testing.services import Browser, NatsServer, PostgresServer, RedisCluster, RedisSentinel, RedisServer
from tidings.testing.services.browser import PROGRAMS
from tidings.testing.services.reaper import GRACE

pytestmark = [pytest.mark.world, pytest.mark.L3]

PAGE = page("testing/services.md")


@pytest.fixture
def everything_is_there(environment: object) -> None:
    for service in (RedisServer, RedisCluster, RedisSentinel, PostgresServer, Browser):
        need(service)


@pytest.mark.timeout(180)
async def test_its_blocks_run(everything_is_there: None):
    """As the one program that they are; each asserts what it shows."""
    namespace = await run("testing/services.md")
    assert namespace["players"] == "Ada"


def test_its_tests_pass(everything_is_there: None, pytester: pytest.Pytester):
    """The block for pytest is a test module."""
    (module,) = [block for block in blocks(PAGE, "python") if "import pytest" in block]
    pytester.makepyfile(module)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def services_of_the_page() -> dict[str, list[str]]:
    return {cells[0].strip("`"): cells[1:] for cells in rows(section(PAGE, "Which there are"))}


@pytest.mark.parametrize("service", [NatsServer, PostgresServer, RedisCluster, RedisSentinel, RedisServer])
def test_the_table_says_where_a_service_is_found(service: Any):
    variables, programs, package, image = services_of_the_page()[service.__name__]
    assert variables == ", ".join(f"`{name}`" for name in service.variables)
    assert programs.startswith(", ".join(f"`{name}`" for name in service.programs))
    assert package == f"`{service.package}`"
    assert image.strip("`| ") == service.image


def test_the_table_says_where_a_browser_is_found():
    assert services_of_the_page()["Browser"][1].replace(" or ", ", ") == ", ".join(f"`{name}`" for name in PROGRAMS)


def test_every_service_is_in_the_table():
    not_services = {"Block", "Group", "Missing", "Service", "ServiceError", "SharedService"}
    assert {*services_of_the_page()} == {*services.__all__} - not_services


def test_numbers_are_those_of_the_code():
    text = " ".join(PAGE.split())
    assert f"`patience` ({RedisServer.patience:g} seconds)" in text
    assert "force after one second" in text and GRACE == 1.0
    assert "`down_after` seconds, 1 by default" in text
    assert RedisSentinel()._down_after == 1.0
