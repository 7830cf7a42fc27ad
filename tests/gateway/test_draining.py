"""How clients are sent away."""

from __future__ import annotations

import asyncio

import pytest

from tidings.gateway.draining import BEAT, drain

pytestmark = pytest.mark.shell


async def test_a_few_clients_are_told_at_once() -> None:
    """No sleeping for a handful: the slowest rate is 500 clients a second."""
    told: list[int] = []
    await asyncio.wait_for(drain(range(10), told.append, timeout=10.0), BEAT)
    assert told == list(range(10))


async def test_many_clients_are_spread() -> None:
    """In groups, with other work in between, and all within the timeout."""
    told: list[int] = []
    draining = asyncio.create_task(drain(range(100), told.append, timeout=10.0))
    await asyncio.sleep(0)
    assert 0 < len(told) < 100
    await draining
    assert told == list(range(100))


async def test_without_time_everybody_is_told_at_once() -> None:
    told: list[int] = []
    await asyncio.wait_for(drain(range(5000), told.append, timeout=0.0), BEAT)
    assert len(told) == 5000


async def test_nobody_to_tell() -> None:
    await drain([], lambda _: None, timeout=1.0)
