"""An application with handlers, for clients whose questions a bare `tidings serve` does not answer.

uvicorn tests.world.application:app --ws tidings:WebSocketProtocol
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.world.settings import SETTINGS

from tidings import Client, Disconnect, SubscribeReply, Tidings, TidingsError

hub = Tidings(settings=SETTINGS)


class Sum(Struct):
    left: int
    right: int


@hub.rpc("add")
async def add(client: Client, request: Sum) -> int:
    return request.left + request.right


@hub.rpc("whoami")
async def whoami(client: Client, request: Any) -> dict[str, Any]:
    return {"user": client.user, "client": client.id, "channels": sorted(client.channels), "request": request}


@hub.rpc("order")
async def order(client: Client, request: Any) -> None:
    raise TidingsError("sold out", code=410)


@hub.rpc("fail")
async def fail(client: Client, request: Any) -> None:
    raise RuntimeError("nobody outside must read this")


@hub.rpc("leave")
async def leave(client: Client, request: Any) -> None:
    raise Disconnect(4501, "as you wish")


@hub.on_message
async def echo(client: Client, data: Any) -> None:
    client.send({"echo": data})


@hub.on_subscribe("orders:{order_id}")
async def may_watch(client: Client, order_id: int, data: Any = None) -> SubscribeReply | bool:
    return SubscribeReply(data={"order": order_id, "asked": data}) if order_id < 100 else False


@hub.on_publish("orders:{order_id}")
async def review(client: Client, order_id: int, data: Any) -> Any:
    return {"order": order_id, "by": client.user, "said": data}


app = Starlette(routes=[Mount("/realtime", hub)], lifespan=hub.lifespan)
