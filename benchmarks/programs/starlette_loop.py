"""What a user would otherwise write: the broadcast loop of the FastAPI and Starlette tutorials.

The first message of a client is its token. `POST /publish` sends each line of the body to everybody.
"""

from __future__ import annotations

import os

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

SECRET = os.environ["LOOP_SECRET"]

connections: list[WebSocket] = []


async def listen(ws: WebSocket) -> None:
    await ws.accept()
    jwt.decode(await ws.receive_text(), SECRET, algorithms=["HS256"])
    connections.append(ws)
    try:
        await ws.send_text('{"connect":{}}')
        while True:
            await ws.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        connections.remove(ws)


async def publish(request: Request) -> Response:
    for text in (await request.body()).decode().splitlines():
        for ws in connections.copy():
            await ws.send_text(text)
    return Response(status_code=204)


app = Starlette(routes=[WebSocketRoute("/", listen), Route("/publish", publish, methods=["POST"])])
