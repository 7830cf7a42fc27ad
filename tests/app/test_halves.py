"""The halves of a hub in an application of one's own: `hub.public` is for clients, `hub.internal` for all others."""

from __future__ import annotations

import httpx2
import pytest
from starlette.types import ASGIApp

from tidings import Tidings

pytestmark = pytest.mark.shell

PROXY, CLIENT = "10.0.0.7", "203.0.113.9"


async def asked(app: ASGIApp, path: str) -> httpx2.Response:
    """What a client hears that comes through a proxy. Nobody has started the hub."""
    transport = httpx2.ASGITransport(app=app, client=(PROXY, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as http:
        return await http.get(path, headers={"x-forwarded-for": CLIENT})


async def test_each_starts_the_hub_and_knows_its_proxies() -> None:
    hub = Tidings(settings={"server": {"trusted_proxies": [PROXY]}, "api": {"key": "k"}})
    try:
        for half in (hub, hub.public, hub.internal):
            assert (await asked(half, "/health/caller")).json()["address"] == CLIENT
        assert hub.node.is_started
        assert (await asked(hub.public, "/metrics")).status_code == 404
        assert (await asked(hub.internal, "/metrics")).status_code == 200
    finally:
        await hub.stop()
