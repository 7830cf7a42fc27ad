"""Django's views, of both kinds, in a real server."""

from __future__ import annotations

import httpx2
import pytest
from tests.app.publisher.conftest import PATIENCE, PROGRAMS, Way

from tidings.testing import AsgiApp, Client

pytestmark = [pytest.mark.world, pytest.mark.L3]

VIEWS = {"ship": "view", "ship_async": "async view", "ship_blocking": "blocking view"}


async def test_views_publish(way: Way, unique: str) -> None:
    channel = f"kept:{unique}"
    with AsgiApp("django_site:application", folder=PROGRAMS, environment=way.environment) as site:
        async with Client(way.node.websocket, patience=PATIENCE) as client:
            heard = await client.subscribe(channel)
            async with httpx2.AsyncClient(timeout=PATIENCE) as browser:
                for number, (view, name) in enumerate(VIEWS.items(), 1):
                    assert (await browser.get(f"{site.url}/{view}/{channel}")).json() == {"offset": number}
                    assert (await heard.receive()).data == {"by": name}
                refused = await browser.get(f"{site.url}/ship/nowhere:1")
    assert (refused.status_code, refused.json()) == (500, {"error": "unknown channel"})
