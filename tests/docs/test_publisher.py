"""docs/publisher.md: its blocks run against a server, and its numbers are those of the code."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.docs.pages import blocks, page, rows
from tests.world.backend import KEY
from tests.world.command import PATIENCE

from tidings import AsyncPublisher, Publisher
from tidings.app.publisher import lifetimes
from tidings.app.publisher import publishing as home
from tidings.app.publisher.destination import KEY_VARIABLE
from tidings.testing import Client, RedisServer, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

PAGE = page("publisher.md")
FIRST, DJANGO, CELERY, SOON, NOTEBOOK, BROKER = blocks(PAGE, "python")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as redis:
        yield redis


@pytest.fixture(scope="module")
def server(redis: RedisServer) -> Iterator[TidingsNode]:
    channels = {"namespaces": {"orders": {"history_size": 10, "history_ttl": 60.0}}}
    settings = {"api": {"key": KEY}, "client": {"insecure": True}, "channels": channels}
    with TidingsNode({**settings, "broker": {"url": redis.url, "prefix": "publisher-page"}}) as server:
        yield server


def run(code: str, server: TidingsNode, redis: RedisServer) -> dict[str, Any]:
    """A block, for this server and its key."""
    for written, meant in {
        '"http://127.0.0.1:8000"': f'"{server.url}"',
        '"redis://127.0.0.1"': f'"{redis.url}"',
        '"tidings.toml"': f'"{server.config}"',
        "…": KEY,
    }.items():
        code = code.replace(written, meant)
    namespace: dict[str, Any] = {"__name__": "publisher.md", "Publisher": Publisher}  # as the first block has it
    exec(code, namespace)
    return namespace


@pytest.mark.parametrize(
    ("block", "channel", "count", "last"),
    [
        (FIRST, "orders:42", 1, {"status": "shipped"}),
        (SOON, "news", 1000, {"number": 999}),
        (NOTEBOOK, "news", 1, "from a notebook"),
        (BROKER, "news", 1, "past the servers"),
    ],
    ids=["first", "soon", "notebook", "broker"],
)
async def test_clients_hear_it(
    server: TidingsNode, redis: RedisServer, block: str, channel: str, count: int, last: object
) -> None:
    async with Client(server.websocket, patience=PATIENCE) as client:
        heard = await client.subscribe(channel)
        run(block, server, redis)
        assert [(await heard.receive()).data for _ in range(count)][-1] == last


def test_djangos_views(server: TidingsNode, redis: RedisServer) -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    views = run(DJANGO, server, redis)
    assert json.loads(views["ship"](None, 42).content) == {}
    assert json.loads(asyncio.run(views["ship_async"](None, 42)).content) == {}
    views["publisher"].close()
    refused = views["ship"](None, 42)
    assert (refused.status_code, json.loads(refused.content)) == (500, {"error": "the publisher is closed"})
    asyncio.run(views["async_publisher"].close())


def test_celerys_task(server: TidingsNode, redis: RedisServer) -> None:
    """Called twice, it publishes once."""
    tasks = run(CELERY, server, redis)
    tasks["ship"](43)
    tasks["ship"](43)
    assert tasks["publisher"].publish("orders:43", 1).offset == 2
    tasks["publisher"].close()


def test_every_method_is_there() -> None:
    named = [re.match(r"`(\w+)", cells[0])[1] for cells in rows(PAGE)]  # type: ignore[index]
    for kind in (Publisher, AsyncPublisher):
        methods = {name for name, value in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}
        assert methods | {"publish_soon"} == set(named)


def test_numbers_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"`queue_limit` publications ({home.QUEUE_LIMIT:,})" in text
    assert f"`queue_limit_bytes` together ({home.QUEUE_LIMIT_BYTES // 2**20} MiB)" in text
    assert f"`timeout` ({home.TIMEOUT:g} seconds)" in text
    assert lifetimes.EXIT_TIMEOUT == 5.0 and "for at most five seconds" in text


def test_the_readme_has_its_two_lines() -> None:
    """As docs/publisher.md begins."""
    assert "\n".join(FIRST.splitlines()[2:]) in page("README.md")
    assert f"`{KEY_VARIABLE}`" in PAGE
