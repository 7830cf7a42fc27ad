"""What HTTP costs under uvicorn without anything behind it: one Starlette route that reads the body, and a constant.

The gate, the decoding and the broker are what `/api/publish` adds.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER = b'{"result":{}}'


async def answer(request: Request) -> Response:
    await request.body()
    return Response(ANSWER, media_type="application/json")


app = Starlette(routes=[Route("/api/{method}", answer, methods=["POST"])])
