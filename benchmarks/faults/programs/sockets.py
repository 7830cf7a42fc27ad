"""python-socketio, every event to all clients: `sockets.py send|serve|hear URL`.

`send` is a server that publishes through its manager, `serve` another server with a manager of its own, `hear` a client
of that one, whose URL is that server's.
"""

from __future__ import annotations

import asyncio
import logging
import sys

import socketio
from aiohttp import web
from told import ended, publish_on_command, tell


def server(url: str) -> socketio.AsyncServer:
    return socketio.AsyncServer(async_mode="aiohttp", client_manager=socketio.AsyncRedisManager(url))


async def send(url: str) -> None:
    sio = server(url)
    await publish_on_command(lambda id: sio.emit("news", id))


async def serve(url: str) -> None:
    sio = server(url)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    tell("ready", url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    await ended()
    await runner.cleanup()


async def hear(url: str) -> None:
    client = socketio.AsyncClient()
    client.on("news", lambda id: tell("got", id=id))
    client.on("disconnect", lambda *reason: tell("failed", why=f"disconnected {reason}"))
    await client.connect(url, transports=["websocket"])
    tell("ready")
    await ended()
    await client.disconnect()


if __name__ == "__main__":
    logging.getLogger("socketio").setLevel(logging.CRITICAL)  # Every lost message is a traceback.
    role, url = sys.argv[1:]
    asyncio.run({"send": send, "serve": serve, "hear": hear}[role](url))
