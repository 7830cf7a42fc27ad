"""An application for the servers of others: a hub at /realtime, one that is full with a single client at /full, and a
way to have something large published.
"""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from tests.world.settings import SETTINGS

from tidings import Client, Tidings

LARGE_BYTES, LONG_BYTES = 400_000, 2_000_000

# Short times, so that a client which is held on to does not hold its test up.
BOUNDS = {"queue_limit_bytes": 262_144, "ping_interval": 2.0, "pong_timeout": 1.0, "compression": True}

hub = Tidings(settings={**SETTINGS, "client": BOUNDS})
full = Tidings(settings={**SETTINGS, "client": {"connection_limit": 1}})


@hub.rpc("long")
async def long(client: Client, request: Any) -> str:
    return "x" * LONG_BYTES


@hub.on_disconnect
async def gone(client: Client, code: int, reason: str) -> None:
    print("gone:", client.user, flush=True)  # noqa: T201, for the test that reads its output


async def publish_large(request: Request) -> Response:
    await hub.publish(request.path_params["channel"], "x" * LARGE_BYTES)
    return Response()


app = Starlette(
    routes=[
        Route("/large/{channel}", publish_large, methods=["POST"]),
        Mount("/realtime", hub),
        Mount("/full", full),
    ],
    lifespan=hub.lifespan,
)
