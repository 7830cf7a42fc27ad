"""A Socket.IO server on python-socketio, for clients to meet in a process of its own."""

from __future__ import annotations

from typing import Any

import socketio

server = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(server)


@server.event
async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
    if auth == "nobody":
        raise socketio.exceptions.ConnectionRefusedError("not you")
    await server.emit("welcome", {"sid": sid, "auth": auth}, to=sid)


@server.event
async def echo(sid: str, *arguments: Any) -> None:
    await server.emit("echo", arguments, to=sid)


@server.event
async def add(sid: str, left: int, right: int) -> int:
    return left + right


@server.event
async def both(sid: str) -> tuple[int, str]:
    return 1, "two"


@server.event
async def silent(sid: str) -> None:
    """Acknowledged without a value."""


@server.event
async def ask(sid: str) -> None:
    async def answered(*values: Any) -> None:
        await server.emit("answered", values, to=sid)

    await server.emit("question", "how much?", to=sid, callback=answered)


@server.event
async def kick(sid: str) -> None:
    await server.disconnect(sid)


@server.on("connect", namespace="/admin")
async def connect_admin(sid: str, environ: dict[str, Any]) -> None:
    await server.emit("welcome", "admin", to=sid, namespace="/admin")
