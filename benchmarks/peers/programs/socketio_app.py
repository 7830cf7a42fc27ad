"""python-socketio as an ASGI application: whoever connects is in the room of all. `POST /publish` emits each line."""

from __future__ import annotations

import json
from typing import Any

import socketio

sio = socketio.AsyncServer(async_mode="asgi", ping_interval=3600, cors_allowed_origins="*")


async def publish(scope: dict[str, Any], receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    for line in body.splitlines():
        await sio.emit("news", json.loads(line))
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


app = socketio.ASGIApp(sio, other_asgi_app=publish)
