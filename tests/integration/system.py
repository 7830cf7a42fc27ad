"""Several nodes as one system: their settings, their back end, and what Redis knows of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Self

from tests.world.backend import token
from tests.world.settings import KEY, SECRET

from tidings.errors import TidingsError
from tidings.gateway.transports.outgoing import HttpClient
from tidings.testing import Client, RedisServer, TidingsCluster, TidingsNode

LEASE = 3.0
"""Seconds that a node outlives itself; short, so that a test can wait for the end of it."""

PATIENCE = 20.0
ASK_AGAIN = 0.02
OPEN = {"allow_subscribe_for_client": True, "allow_publish_for_subscriber": True}
PRESENT = {"presence": True, "allow_presence_for_subscriber": True}
SETTINGS = {
    "broker": {"lease": LEASE, "publish_timeout": 5.0},
    "auth": {"hmac_secret": SECRET},
    "api": {"key": KEY},
    "client": {"personal_channel": False},
    "channels": {
        "namespaces": {
            "kept": {**OPEN, **PRESENT, "history_size": 5000, "history_ttl": 300.0, "force_recovery": True},
            "live": {**OPEN, **PRESENT},
            "shut": {},
        }
    },
}


def client(node: TidingsNode, user: str, **options: Any) -> Client:
    """A client of the toolkit, that has not connected yet."""
    return Client(node.websocket, token=token(user), name=user, patience=PATIENCE, **options)


async def eventually(holds: Callable[[], bool | Awaitable[bool]], what: str, *, within: float = PATIENCE) -> None:
    """Ask until it is true. What blocks is asked in a thread."""
    try:
        async with asyncio.timeout(within):
            while True:
                found = await asyncio.to_thread(holds)
                if found is True or (not isinstance(found, bool) and await found):
                    return
                await asyncio.sleep(ASK_AGAIN)
    except TimeoutError:
        raise AssertionError(f"not so within {within:g} s: {what}") from None


class BackEnd:
    """The application's own server, which calls the HTTP API of a node.

    >>> async with BackEnd() as backend:
    ...     await backend.publish(node, "kept:news", {"text": "hello"})
    """

    async def __aenter__(self) -> Self:
        self._http = HttpClient(headers={"X-API-Key": KEY}, timeout=PATIENCE)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.aclose()

    async def call(self, node: TidingsNode, method: str, **request: Any) -> dict[str, Any]:
        """The result of a method. Raises `TidingsError` as the node does, and the errors of the connection."""
        answer = (await self._http.post(f"{node.url}/api/{method}", json=request)).raise_for_status().json()
        if error := answer.get("error"):
            raise TidingsError(error["message"], code=error["code"], temporary=error.get("temporary", False))
        result: dict[str, Any] = answer["result"]
        return result

    async def publish(self, node: TidingsNode, channel: str, data: Any) -> dict[str, Any]:
        return await self.call(node, "publish", channel=channel, data=data)

    async def health(self, node: TidingsNode) -> tuple[int, str]:
        """The status, and the reason where it is a bad one."""
        answer = await self._http.get(f"{node.url}/health")
        return answer.status_code, answer.json().get("reason", "")

    async def connections(self, node: TidingsNode) -> int:
        """How many there are, on all nodes that answer."""
        return sum(one.get("num_clients", 0) for one in (await self.call(node, "info"))["nodes"])


class Redis:
    """What can be seen in Redis, by whoever looks from outside. With the names of docs/redis.md."""

    def __init__(self, redis: RedisServer) -> None:
        self.server = redis

    def keys(self, pattern: str = "*") -> list[str]:
        return sorted(key.decode() for key in self.server.ask("KEYS", f"tidings:{pattern}"))

    def bus(self) -> list[str]:
        """The channels that some node listens to: names of pub/sub, which hold the number of the database."""
        beginning = "tidings:bus:0:"
        found = self.server.ask("PUBSUB", "CHANNELS", f"{beginning}*")
        return sorted(name.decode().removeprefix(beginning) for name in found)

    def shown(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """By connection: its node, and what is shown of it."""
        found = {}
        for key in self.keys("connections:*"):
            for name, entry in self.server.ask("HGETALL", key).items():
                found[name.decode()] = (key.removeprefix("tidings:connections:"), json.loads(entry))
        return found

    def leases(self, user: str) -> set[str]:
        """The connections of a user."""
        return {name.decode() for name in self.server.ask("ZRANGE", f"tidings:user:{user}", 0, -1)}

    def nodes(self) -> set[str]:
        """Those that are alive."""
        seconds, micros = self.server.ask("TIME")
        now = int(seconds) * 1000 + int(micros) // 1000
        alive = self.server.ask("ZRANGEBYSCORE", "tidings:nodes:all", now, "+inf")
        return {name.decode() for name in alive}

    def people(self) -> list[str]:
        """The keys that are about connections, users and presence."""
        return [key for kind in ("connections", "user", "leases", "present") for key in self.keys(f"{kind}:*")]


def redis_of(cluster: TidingsCluster) -> Redis:
    return Redis(cluster.broker)
