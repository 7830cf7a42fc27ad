"""docs/operations.md: its examples work, and its numbers are those of the code."""

from __future__ import annotations

import asyncio
import re
import tomllib

import pytest
from tests.docs.blocks import run
from tests.docs.pages import blocks, page

from tidings.app.settings import Settings
from tidings.gateway.draining import FASTEST
from tidings.observability import health

pytestmark = pytest.mark.shell

PAGE = page("operations.md")


def test_an_application_adds_its_own_metrics() -> None:
    """They are on the hub's page. Outside of a loop, as a module is: there the hub may read its settings."""
    program = asyncio.run(run("operations.md"))
    program["orders"].inc()
    text, _ = program["hub"].metrics.exposition("")
    assert b"shop_orders_total 1.0" in text


def test_the_settings_are_good() -> None:
    """Each block of TOML is taken as it stands."""
    for block in blocks(PAGE, "toml"):
        Settings.of(tomllib.loads(block))


def test_numbers_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"at least {FASTEST} a second" in text
    assert f"`[server] drain_timeout` ({Settings().server.drain_timeout:.0f} s)" in text
    assert re.search(rf"does not answer within {health.PATIENCE:.0f} s", text)
