"""The doctor asks whoever is at an address, and reads no more of the answer than it may."""

from __future__ import annotations

import asyncio

import pytest
from tests.gateway.transports.endless import Endless

from tidings.app.doctor import service
from tidings.findings import Finding, Level

pytestmark = pytest.mark.shell


async def found(base: str) -> list[Finding]:
    return [finding async for finding in service.examine(base)]


def test_an_answer_without_end() -> None:
    with Endless() as stranger:
        (finding,) = asyncio.run(found(stranger.url))
    assert (finding.level, finding.subject) == (Level.PROBLEM, "reachable")
    assert finding.text.startswith("the answer is longer than 65536 bytes.")
