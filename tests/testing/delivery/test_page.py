"""docs/testing/delivery.md: its example runs and prints what the page says, and its tables name what there is."""

from __future__ import annotations

import re

import pytest
from tests.docs.blocks import run
from tests.docs.pages import blocks, page, rows, section

from tidings.testing import delivery
from tidings.testing.delivery import Account, Invariant, Record, Rules

pytestmark = [pytest.mark.world, pytest.mark.L3]

PAGE = page("testing/delivery.md")


async def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """And prints the very lines that stand below it."""
    namespace = await run("testing/delivery.md")
    assert namespace["verdict"].is_kept
    heard = [record.client for record in namespace["history"] if isinstance(record, delivery.Delivered)]
    assert (heard.count("ann"), heard.count("bob")) == (20, 20)
    assert capsys.readouterr().out == blocks(PAGE, "text")[0]


def test_every_record_is_there_with_its_fields() -> None:
    documented = {
        name: tuple(fields.split(", "))
        for cells in rows(section(PAGE, "What is written down"))
        for name, fields in re.findall(r"`(\w+)\((.*?)\)`", cells[0])
    }
    kinds = [each for each in vars(delivery).values() if isinstance(each, type) and issubclass(each, Record)]
    assert documented == {each.__name__: each.__struct_fields__ for each in kinds if each is not Record}


def test_every_invariant_is_there() -> None:
    """Six, in their order, and the faults."""
    headings = re.findall(r"^\*\*(\d)\. (.*?)\.\*\*", PAGE, re.MULTILINE)
    assert [number for number, _ in headings] == list("123456")
    assert len(Invariant) == 7


def test_the_report_is_shown_as_it_is_written() -> None:
    """With the columns and the sentences of today."""
    (report,) = [block for block in blocks(PAGE, "text") if block.startswith("Broken:")]
    assert report.startswith(f"Broken: {Invariant.DELIVERY.value}.\n")
    assert ["channel", *Account.__struct_fields__] in [line.split() for line in report.splitlines()]


def test_defaults_are_those_of_the_code() -> None:
    rules = Rules(channels={})
    assert f"`settle` seconds ({rules.settle:g})" in PAGE
    assert f"`slack` seconds ({rules.slack})" in PAGE
