"""The door: which way in a connection takes, and how one is turned away."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute

from tidings.gateway.transports.upgrade import refuse
from tidings.gateway.transports.uvicorn import WebSocketProtocol

pytestmark = [pytest.mark.shell, pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])]


@pytest.mark.parametrize(
    ("protocol", "name"), [(WebSocketProtocol, "websocket"), ("websockets-sansio", "asgi"), ("wsproto", "asgi")]
)
async def test_the_take_over_where_it_is_offered(serve, hub, dial, until, protocol, name):
    """And plain ASGI elsewhere. The same application, the same client."""
    served = await serve(hub, ws=protocol)
    wire = await dial(served.port)
    _, headers = await wire.handshake("/", "Sec-WebSocket-Protocol: x, centrifuge-json\r\n")
    assert headers["sec-websocket-protocol"] == "centrifuge-json"
    await until(lambda: hub.peers)
    assert hub.peers[0].transport.name == name


async def test_through_routes_and_mounts(serve, hub, dial, until):
    """The application that embeds ours routes as it likes."""
    app = Starlette(routes=[Mount("/realtime", Starlette(routes=[WebSocketRoute("/connection", hub)]))])
    served = await serve(app)
    assert (await (await dial(served.port)).handshake("/realtime/connection"))[0].startswith("HTTP/1.1 101")
    await until(lambda: not served.state.tasks)


@pytest.mark.parametrize("protocol", [WebSocketProtocol, "websockets-sansio", "wsproto"])
async def test_refusing(serve, dial, until, protocol):
    """A client that may not enter gets an HTTP answer with the reason."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await refuse(scope, receive, send, status=503, text="too many connections")

    served = await serve(app, ws=protocol)
    wire = await dial(served.port)
    status, headers = await wire.handshake()
    assert status.startswith("HTTP/1.1 503")
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert b"too many connections" in await wire.ended()
    wire.hang_up()
    await until(served.idle)


@pytest.mark.parametrize(
    ("event", "answers"), [("websocket.connect", [{"type": "websocket.close"}]), ("websocket.disconnect", [])]
)
async def test_refusing_without_the_extension(event: str, answers: list[Any]):
    """A server that knows no HTTP answers is asked to close, which is a 403. A client that is gone gets no answer."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": event}

    async def send(event: Any) -> None:
        sent.append(event)

    await refuse({"type": "websocket"}, receive, send, status=503, text="too many connections")
    assert sent == answers
