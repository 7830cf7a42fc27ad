"""Tests against a server that runs already, at $SERVER_URL; without one, against a Tidings that is started here."""

from __future__ import annotations

import asyncio
import json
import os

import jwt
import pytest
import websockets

pytestmark = [pytest.mark.integration_real_server, pytest.mark.asyncio]


@pytest.fixture(scope="session")
def tidings_settings() -> dict[str, object]:
    return {"auth": {"hmac_secret": secret()}}


def secret() -> str:
    return os.environ.get("JWT_SECRET_KEY", "test-secret-key-for-jwt-tokens-of-32-bytes")


async def connect(websocket: websockets.ClientConnection, user: str) -> dict[str, object]:
    token = jwt.encode({"sub": user}, secret())
    await websocket.send(json.dumps({"id": 1, "connect": {"token": token}}))
    reply: dict[str, object] = json.loads(await asyncio.wait_for(websocket.recv(), 5.0))
    return reply


async def test_single_connection(server_url: str) -> None:
    async with websockets.connect(f"{server_url}/connection/websocket") as websocket:
        reply = await connect(websocket, "ada")
    assert reply["id"] == 1
    assert "client" in dict(reply["connect"])  # type: ignore[call-overload]


async def test_two_connections_at_once(server_url: str) -> None:
    url = f"{server_url}/connection/websocket"
    async with websockets.connect(url) as first, websockets.connect(url) as second:
        replies = await asyncio.gather(connect(first, "ada"), connect(second, "bob"))
    assert all("connect" in reply for reply in replies)


async def test_a_bad_token_is_refused(server_url: str) -> None:
    async with websockets.connect(f"{server_url}/connection/websocket") as websocket:
        await websocket.send('{"id": 1, "connect": {"token": "bad"}}')
        with pytest.raises(websockets.ConnectionClosedError):
            while True:
                await asyncio.wait_for(websocket.recv(), 5.0)
