"""docs/testing/simulators.md: its blocks run, and its tables have what there is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.docs.blocks import run
from tests.docs.pages import page, rows, section

from tidings.testing.simulators import Backtests, Game, Health, Market, Music, Person, Planned

pytestmark = [pytest.mark.world, pytest.mark.L3]

PAGE = "testing/simulators.md"
TEXT = page(PAGE)
KINDS: dict[str, Any] = {kind.__name__: kind for kind in (Market, Backtests, Health, Game, Music, Person)}


async def test_the_program() -> None:
    assert len((await run(PAGE))["kept"]) > 100


def test_every_field_of_an_event_is_there() -> None:
    assert [cells[0].strip("` ") for cells in rows(TEXT)] == list(Planned.__struct_fields__)


def test_every_simulator_is_there() -> None:
    table = section(TEXT, "Which there are")
    assert [cells[0].strip("` ") for cells in rows(table)] == list(KINDS)


def test_every_option_is_there_with_its_default() -> None:
    """In the second table; lists of names are left out, as is the seed."""
    table = rows(TEXT[TEXT.index("| simulator | options") :])
    assert [cells[0].strip("` ") for cells in table] == list(KINDS)
    for name, options, _ in table:
        kind = KINDS[name.strip("` ")](seed=1)
        named = re.findall(r"`(\w+)`", options)
        assert set(named) == set(kind.__struct_fields__) - {"seed"} - ({"channel"} if "room" in named else set())
        for option, default in re.findall(r'`(\w+)` ([\d.]+|True|"[^"]+")', options):
            assert str(getattr(kind, option)).removesuffix(".0") == default.strip('"').removesuffix(".0")
