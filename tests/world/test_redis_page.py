"""docs/redis.md beside a real Redis: its user is enough, and its table names all that a run leaves there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from tests.docs.pages import blocks, page, rows, section
from tests.world.backend import token
from tests.world.command import PATIENCE, run
from tests.world.settings import KEY, SETTINGS

from tidings.testing import Client, RedisCluster, RedisServer, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

PAGE = page("redis.md")
CHANNEL = "full:it"
LEASE, HISTORY_TTL, META_TTL = 20.0, 100.0, 1000.0
FULL = {
    "allow_subscribe_for_client": True,
    "presence": True,
    "join_leave": True,
    "history_size": 10,
    "history_ttl": HISTORY_TTL,
    "history_meta_ttl": META_TTL,
    "force_recovery": True,
}
LIVES = {
    "`history_meta_ttl` after the last use": META_TTL,
    "`history_ttl` after the newest": HISTORY_TTL,
    "5 minutes": 300.0,
    "`lease`": LEASE,
    "until removed": None,
}
MEASURED_LATE = 15.0
"""Seconds that may pass on a busy machine between the writing of a key and a look at it."""


def rules() -> list[str]:
    """The permissions of the page's user, whose password is as the page has it."""
    (block,) = blocks(PAGE, "acl")
    _, name, *given = block.split()
    assert name == "tidings"
    return given


@asynccontextmanager
async def busy(url: str) -> AsyncIterator[TidingsNode]:
    """A server that has used everything it can use a Redis for, and still does."""
    settings = {
        **SETTINGS,
        "broker": {"url": url, "lease": LEASE},
        "client": {"user_connection_limit": 10},
        "channels": {"namespaces": {"full": FULL}},
    }
    async with TidingsNode(settings) as node, Client(node.websocket, token=token("ada")) as ada:
        listening = await ada.subscribe(CHANNEL)
        await call(node, "publish", channel=CHANNEL, data=1, idempotency_key="once")
        assert (await listening.receive()).data == 1
        await call(node, "subscribe", user="ada", channel="full:kept", persist=True)
        await ada.subscription("full:kept")
        assert (await call(node, "presence", channel=CHANNEL))["presence"].keys() == {ada.id}
        yield node


async def call(node: TidingsNode, method: str, **request: Any) -> Any:

    async with httpx2.AsyncClient(headers={"X-API-Key": KEY}, timeout=PATIENCE) as http:
        return (await http.post(f"{node.url}/api/{method}", json=request)).json()["result"]


def kinds(redis: RedisServer) -> dict[str, str]:
    """The keys that are there, by what the page calls their kind."""
    return {key.decode().split(":")[1]: key.decode() for key in redis.ask("KEYS", "*")}


async def test_the_table_lists_all_that_a_run_leaves(redis: RedisServer) -> None:
    """With the type that it says, and for as long."""
    listed = {row[0].strip("`").split(":")[1]: row for row in rows(section(PAGE, "Keys"))}
    async with busy(redis.url):
        async with asyncio.timeout(PATIENCE):
            while kinds(redis).keys() < listed.keys():
                await asyncio.sleep(0.02)
        assert kinds(redis).keys() == listed.keys()
        for kind, key in kinds(redis).items():
            _, type_, _, lives = listed[kind]
            assert redis.ask("TYPE", key).decode() == {"sorted set": "zset"}.get(type_, type_)
            left, promised = redis.ask("PTTL", key) / 1000, LIVES[lives]
            if promised is None:
                assert left < 0
            else:
                assert promised - MEASURED_LATE < left <= promised


async def test_the_user_is_enough(redis: RedisServer) -> None:
    """For a server that does everything, and for the doctor to find nothing wrong about it."""
    redis.ask("ACL SETUSER", "tidings", *rules())
    redis.ask("ACL LOG", "RESET")
    url = f"redis://tidings:a-long-password@127.0.0.1:{redis.port}"
    async with busy(url):
        ran = await asyncio.to_thread(run, "doctor", "--broker", url)
    assert ran.returncode == 0, ran.stdout
    assert "permissions: every" in ran.stdout
    assert {refusal["object"] for refusal in redis.ask("ACL LOG")} == {"config|get"}, "which only the doctor asks for"


async def test_the_user_is_enough_for_another_database(redis: RedisServer) -> None:
    redis.ask("ACL SETUSER", "tidings", *rules())
    async with busy(f"redis://tidings:a-long-password@127.0.0.1:{redis.port}/5"):
        assert redis.ask("KEYS", "*") == []


async def test_the_user_is_enough_in_a_cluster(redis_cluster: RedisCluster) -> None:
    """With what the page says to change."""
    redis_cluster.clear()
    ordinary = ("+publish", "+subscribe", "+unsubscribe")
    given = [rule for rule in rules() if rule not in ordinary]
    given += ["+spublish", "+ssubscribe", "+sunsubscribe", "+cluster|slots"]
    for node in redis_cluster.nodes:
        node.ask("ACL SETUSER", "tidings", *given)
    url = redis_cluster.url.replace("://", "://tidings:a-long-password@")
    async with busy(url):
        ran = await asyncio.to_thread(run, "doctor", "--broker", url)
    assert ran.returncode == 0, ran.stdout
