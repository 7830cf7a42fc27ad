"""A real browser on the demo page, and the server's end of its WebSocket, spoken by hand."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Page
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from tidings.dashboard.demo import routes
from tidings.testing import Browser

CURL = """curl -H 'X-API-Key: k' http://127.0.0.1:8000/api/publish -d '{"channel":"demo:lobby","data":{"text":"hi"}}'"""
PATIENCE = 15.0


class Peer:
    """The server's end of one connection."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self.over = asyncio.Event()

    async def hear(self, kind: str) -> dict[str, Any]:
        """The payload of the next command, which has to be of this kind."""
        async with asyncio.timeout(PATIENCE):
            self._command = json.loads(await self._websocket.receive_text())
        assert kind in self._command, self._command
        payload: dict[str, Any] = self._command[kind]
        return payload

    async def answer(self, **payload: Any) -> None:
        """Reply to the command heard last."""
        await self.say({"id": self._command["id"], **payload})

    async def say(self, *replies: dict[str, Any]) -> None:
        """Send replies in one frame."""
        await self._websocket.send_text("\n".join(map(json.dumps, replies)))

    async def publish(self, *publications: dict[str, Any]) -> None:
        await self.say(*({"push": {"channel": "demo:lobby", "pub": publication}} for publication in publications))

    async def close(self, code: int, reason: str) -> None:
        await self._websocket.close(code, reason)
        self.over.set()

    async def let_in(self, client: str, *others: str, **result: Any) -> dict[str, Any]:
        """Accept a connection and its subscription, tell who is there, and return the subscribe command."""
        await self.hear("connect")
        await self.answer(connect={"client": client, "version": "1", "ping": 25, "pong": True})
        asked = await self.hear("subscribe")
        await self.answer(subscribe={"recoverable": True, "positioned": True, "epoch": "e", "offset": 0, **result})
        await self.hear("presence")
        here = {who: somebody(who) for who in (client, *others)}
        await self.answer(presence={"presence": here})
        return asked


def somebody(client: str) -> dict[str, Any]:
    """The information about a client that is shown by its id, written large."""
    return {"user": f"user of {client}", "client": client, "conn_info": {"name": client.title()}}


class Door:
    """Where the page's connections arrive."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self._known: list[Peer] = []
        self.address = ""

    def mint(self, name: str) -> str:
        self.names.append(name)
        return f"token {len(self.names)}"

    async def enter(self, websocket: WebSocket) -> None:
        await websocket.accept()
        peer = Peer(websocket)
        self._known.append(peer)
        self._peers.put_nowait(peer)
        await peer.over.wait()

    async def next(self) -> Peer:
        """The next connection, as soon as it is there."""
        async with asyncio.timeout(PATIENCE):
            return await self._peers.get()

    def shut(self) -> None:
        for peer in self._known:
            peer.over.set()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    app = Starlette(
        routes=[*routes(door.mint, "demo:lobby", CURL), WebSocketRoute("/connection/websocket", door.enter)]
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="websockets-sansio", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        door.address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield door
        door.shut()
        server.should_exit = True
        await serving


@pytest.fixture
async def visit(door: Door, browser: Browser) -> AsyncIterator[Callable[..., Awaitable[Page]]]:
    """Open the page in a window of its own. What it complains about in the console fails the test."""
    pages: list[Page] = []

    async def visit(width: int = 1280, height: int = 800, **options: Any) -> Page:
        page = await browser.page(width=width, height=height, **options)
        pages.append(page)
        await page.goto(door.address)
        return page

    async with browser:
        yield visit
        complaints = [complaint for page in pages for complaint in browser.errors_of(page)]
    assert complaints == []
