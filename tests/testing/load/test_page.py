"""docs/testing/load.md: its blocks run, and the plots are those that they make."""

from __future__ import annotations

import pytest
from tests.docs.blocks import run
from tests.docs.pages import blocks, page

from tidings.testing.load import Offered, Summary, in_virtual_time
from tidings.testing.load.schedule import IN_FLIGHT_LIMIT
from tidings.testing.load.throughput import WINDOWS_LIMIT

pytestmark = pytest.mark.shell

PAGE = "testing/load.md"
TEXT = page(PAGE)


def test_the_program() -> None:
    """In virtual time, as the page says; its own test is run as well."""
    program = in_virtual_time(run(PAGE))
    program["test_an_hour"]()
    assert [plot.rstrip("\n") for plot in blocks(TEXT, "text")] == [program["open_plot"], program["closed_plot"]]


def test_every_field_is_there() -> None:
    assert all(f"`{name}`" in TEXT for name in Summary.__struct_fields__)
    assert all(f"| `{name}` |" in TEXT for name in Offered.__slots__)


def test_numbers_are_those_of_the_code() -> None:
    assert f"`in_flight_limit` ({IN_FLIGHT_LIMIT:,})" in TEXT
    assert f"The last {WINDOWS_LIMIT:,} are kept." in TEXT
