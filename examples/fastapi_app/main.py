"""A shop whose customers watch their orders: an ordinary FastAPI application, and Tidings mounted into it."""

from __future__ import annotations

from http.cookies import SimpleCookie

from fastapi import FastAPI, WebSocket
from msgspec import Struct

from tidings import Client, ConnectReply, Tidings

SESSIONS = {"4d65822107fc": "ada", "b1946ac92492": "bob"}
ORDERS = {42: "ada", 43: "bob"}
last_seen: dict[str, str] = {}

hub = Tidings(settings={"auth": {"hmac_secret": "a secret of thirty-two characters"}})
hub.namespace("orders", history_size=100, history_ttl=3600.0, force_recovery=True)

app = FastAPI(lifespan=hub.lifespan)
app.mount("/realtime", hub)


@app.post("/orders/{order_id}/ship")
async def ship(order_id: int) -> dict[str, int]:
    position = await hub.publish(f"orders:{order_id}", {"status": "shipped"})
    return {"offset": position.offset}


@app.get("/customers/{user}")
async def customer(user: str) -> dict[str, str | None]:
    return {"last_seen": last_seen.get(user)}


@app.websocket("/chatter")
async def chatter(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@hub.on_connect
async def who_is_it(client: Client) -> ConnectReply | bool:
    """A browser brings the shop's session cookie, the telephone's app a token."""
    session = SimpleCookie(client.request.headers.get("cookie")).get("session")
    if session is not None and session.value in SESSIONS:
        return ConnectReply(user=SESSIONS[session.value])
    return client.user != ""


@hub.on_subscribe("orders:{order_id}")
@hub.on_publish("orders:{order_id}")
async def is_theirs(client: Client, order_id: int) -> bool:
    return ORDERS.get(order_id) == client.user


class Parcel(Struct):
    kilograms: float
    express: bool = False


@hub.rpc("postage")
async def postage(client: Client, parcel: Parcel) -> dict[str, float]:
    return {"euros": parcel.kilograms * (9.0 if parcel.express else 4.5)}


@hub.on_disconnect
async def note(client: Client, code: int) -> None:
    last_seen[client.user] = f"left with code {code}"
