"""An application with a route that takes connections over and one that does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket


class Ordinary:
    """A WebSocket route as anybody would write it; the name of a query decides what it does."""

    def __init__(self) -> None:
        self.disconnects: list[tuple[int, str]] = []
        self.offers: list[list[str]] = []
        # Cleared to hold connections up before they are answered.
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, websocket: WebSocket) -> None:
        await self.gate.wait()
        self.offers.append(websocket.scope["subprotocols"])
        if "deny" in websocket.query_params:
            await websocket.send_denial_response(PlainTextResponse("no room", status_code=503))
        elif "refuse" in websocket.query_params:
            await websocket.close()
        else:
            await websocket.accept(subprotocol="chat" if "chat" in websocket.scope["subprotocols"] else None)
            await self.echo(websocket)

    async def echo(self, websocket: WebSocket) -> None:
        while (message := await websocket.receive())["type"] == "websocket.receive":
            if message.get("text") == "close":
                await websocket.close(4001, "as you wish")
            elif message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
        self.disconnects.append((message["code"], message.get("reason") or ""))


@pytest.fixture
async def ordinary() -> Ordinary:
    return Ordinary()


@pytest.fixture
def app(hub: Any, ordinary: Ordinary) -> Starlette:
    async def route(websocket: WebSocket) -> None:
        await ordinary(websocket)

    return Starlette(routes=[WebSocketRoute("/hub", hub), WebSocketRoute("/ordinary", route)])
