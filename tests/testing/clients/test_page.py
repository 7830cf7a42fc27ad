"""docs/testing/clients.md: its blocks are a program that runs, and its tables name what is there."""

from __future__ import annotations

import asyncio
import re

import pytest
from tests.docs.blocks import run
from tests.docs.pages import page, section

from tidings.testing import clients

pytestmark = [pytest.mark.world, pytest.mark.L3]

PAGE = page("testing/clients.md")


def test_the_page_runs() -> None:
    """In a loop of its own, so that what a failure in its middle leaves open ends with that."""
    program = asyncio.run(run("testing/clients.md"))
    assert len(program["heard"]) == 5


@pytest.mark.parametrize(
    ("heading", "kinds"),
    [
        ("Any WebSocket", [clients.PlainClient]),
        ("The Centrifuge protocol", [clients.Client, clients.Subscription]),
        ("Thousands", [clients.ManyClients, clients]),
    ],
)
def test_what_the_tables_name_is_there(heading: str, kinds: list[object]) -> None:
    text = section(PAGE, heading)
    cells = [line.split("|")[1] for line in text.split("\n## ")[0].splitlines() if line.startswith("| `")]
    names = {name for cell in cells for name in re.findall(r"`(?:await )?(\w+)[`(]", cell)}
    assert names
    assert {name for name in names if not any(hasattr(kind, name) for kind in kinds)} <= {"failures"}
