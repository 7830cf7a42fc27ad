"""docs/testing/faults.md: its blocks run, and its tables name what there is."""

from __future__ import annotations

import re

import pytest
from tests.docs.blocks import run
from tests.docs.pages import page, rows, section

from tidings.testing import faults
from tidings.testing.faults.toxics import TYPES
from tidings.testing.services import Missing

pytestmark = [pytest.mark.world, pytest.mark.L3]

PAGE = "testing/faults.md"


async def test_the_examples_run():
    try:
        await run(PAGE)
    except Missing as reason:
        pytest.skip(str(reason))


def test_every_toxic_has_its_row():
    """With all of its attributes."""
    table = rows(section(page(PAGE), "Toxics"))
    told = {cells[0].strip("` |"): re.findall(r"`(\w+)`", cells[1]) for cells in table}
    assert told == {toxic.__name__: list(toxic.__struct_fields__) for toxic in TYPES.values()}


def test_every_fault_has_its_row():
    told = {
        name for cells in rows(section(page(PAGE), "Processes and Redis")) for name in re.findall(r"`(\w+)\(", cells[0])
    }
    there = {
        name for name, value in vars(faults).items() if isinstance(value, type) and issubclass(value, faults.Fault)
    }
    assert told == there - {"Fault"}
