"""Workers that tell each other their numbers."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tidings.app.workers.exchange import Exchange
from tidings.observability.sums import Family, Reading, Sample

pytestmark = pytest.mark.shell


@pytest.fixture
def directory() -> Iterator[Path]:
    """One with a short name, as a socket needs it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        yield Path(name)


def reading(worker: str) -> Reading:
    return Reading(worker, [Family("here", "Who is here.", "gauge", [Sample("here", {}, 1.0)])], [])


@asynccontextmanager
async def working(directory: Path, name: str) -> AsyncIterator[Exchange]:
    async def read() -> Reading:
        return reading(name)

    exchange = Exchange(directory, name, read)
    await exchange.start()
    try:
        yield exchange
    finally:
        await exchange.stop()


async def test_each_hears_of_the_others(directory: Path) -> None:
    async with working(directory, "1") as one, working(directory, "2") as two, working(directory, "3"):
        assert await one.others() == [reading("2"), reading("3")]
        assert await two.others() == [reading("1"), reading("3")]


async def test_nobody_else_is_there(directory: Path) -> None:
    async with working(directory, "1") as one:
        assert await one.others() == []


async def test_a_worker_that_is_gone_tells_nothing(directory: Path) -> None:
    """Neither one that left in order nor one whose socket is still lying there."""
    async with working(directory, "1") as one:
        async with working(directory, "2"):
            pass
        dead = await asyncio.start_unix_server(lambda reader, writer: None, directory / "3")
        dead.close()
        await dead.wait_closed()
        (directory / "3").touch()
        assert await one.others() == []


async def test_half_an_answer_is_none(directory: Path) -> None:
    async def mumble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x93")
        writer.close()

    async with working(directory, "1") as one, await asyncio.start_unix_server(mumble, directory / "2"):
        assert await one.others() == []


async def test_the_next_one_with_a_number_takes_its_place(directory: Path) -> None:
    """A worker that was killed has left its socket behind."""
    (directory / "1").touch()
    async with working(directory, "1"), working(directory, "2") as two:
        assert await two.others() == [reading("1")]


async def test_the_last_one_removes_the_directory(directory: Path) -> None:
    async with working(directory, "1"), working(directory, "2"):
        pass
    assert not await asyncio.to_thread(directory.exists)
