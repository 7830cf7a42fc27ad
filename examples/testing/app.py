"""A chat as tutorials write it: a list of sockets, Redis pub/sub between the processes, and the faults of both.

REDIS_URL=redis://127.0.0.1:6379 uvicorn app:app
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

redis = Redis.from_url(os.environ["REDIS_URL"], retry=Retry(NoBackoff(), 0))
sockets: list[WebSocket] = []


async def relay() -> None:
    """Hand whatever comes through Redis to everybody."""
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe("chat")
        async for message in pubsub.listen():
            if message["type"] == "message":
                for socket in sockets:
                    await socket.send_text(message["data"].decode())


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(relay())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


@app.websocket("/chat")
async def chat(socket: WebSocket) -> None:
    await socket.accept()
    sockets.append(socket)
    await socket.send_text('{"welcome": true}')
    try:
        async for text in socket.iter_text():
            await redis.publish("chat", text)
    finally:
        sockets.remove(socket)
