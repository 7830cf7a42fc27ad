"""The one door through which a WebSocket connection enters, whatever server is in front."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from tidings.gateway.transports import asgi
from tidings.gateway.transports.base import Join, TransportTerms
from tidings.gateway.transports.handshake import Agreement
from tidings.gateway.transports.uvicorn import TAKE_OVER


async def upgrade(
    scope: Scope, receive: Receive, send: Send, *, agreement: Agreement, terms: TransportTerms, join: Join
) -> None:
    """Accept a connection and have it report to the peer that `join` returns.

    Where the server lets its connections go this returns at once, and no task belongs to the connection afterwards.
    Elsewhere it returns when the connection is over; cancelling it ends the connection.

    Raises `OSError`, or returns without having called `join`, when the client is gone before it was answered.
    """
    take_over = scope.get("extensions", {}).get(TAKE_OVER)
    if take_over is None:
        await asgi.serve(receive, send, agreement=agreement, terms=terms, join=join)
    else:
        await take_over(agreement, terms, join)


async def refuse(scope: Scope, receive: Receive, send: Send, *, status: int, text: str, retry_after: int = 0) -> None:
    """Answer a handshake with an HTTP response instead of a connection.

    `retry_after` is when to try again, in seconds, where that is known. A server without the extension for
    HTTP responses answers 403, whatever `status` is. Raises `OSError`, or does nothing, when the client is gone.
    """
    if (await receive())["type"] != "websocket.connect":
        return
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if retry_after:
        headers.append((b"retry-after", str(retry_after).encode()))
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": text.encode()})
