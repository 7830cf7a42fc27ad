"""A publication's whole way: through the HTTP API, the broker and a WebSocket, with the time that it takes.

The client is a user of its own, with a token that lasts for minutes and nothing but its personal channel, which nobody
else hears. Nothing is left behind.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from functools import partial
from statistics import median
from typing import Any

import httpx2
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from tidings.findings import Finding, Level
from tidings.gateway import tokens
from tidings.gateway.tokens import TokenRules
from tidings.gateway.transports import encryption
from tidings.gateway.transports.outgoing import HttpClient

ROUNDS = 20
PATIENCE = 5.0
"""Seconds that each answer may take."""
TOKEN_TTL = 300.0
SKEW = 2.0
"""Seconds by which two clocks may differ; tokens are good or not by the clock of the server."""

CURES = {
    3500: "the server does not accept a token of this [auth] hmac_secret. Does it run with these settings? Restart it.",
    3501: "the server lets nobody in without a token. Set [auth] hmac_secret.",
    3504: "the server has too many connections of one user ([client] user_connection_limit).",
    109: "the server takes a fresh token for an expired one. Set the clocks of both machines (NTP).",
}
SILENT = "Do [auth] audience and issuer, or a proxy on the way, stand against it?"


class Way(Struct, frozen=True, kw_only=True):
    """Where a publication goes in and comes out. `base` is where clients connect, `api` where back ends publish."""

    base: str
    api: str
    rules: TokenRules
    """What the server wants of a token, the secret to sign it with among it."""
    api_key: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"Way({self.base}, {self.api})"


class Broken(Exception):
    """The way ends somewhere. The message says where, and what to do."""

    level = Level.PROBLEM


class Limited(Broken):
    """Nothing is wrong, but the server lets us ask no more."""

    level = Level.WARNING


async def examine(way: Way) -> AsyncIterator[Finding]:
    """Findings about the way; a broken one is a problem."""
    try:
        async with asyncio.timeout(PATIENCE * 4), connect(_address(way.base), proxy=None) as socket:
            user, skew = await _enter(socket, way)
            yield _clock(way.base, skew)
            lasted = await _travel(socket, user, way)
    except Broken as broken:
        yield Finding(broken.level, way.base, "round trip", str(broken))
    except InvalidStatus as refused:
        yield Finding(Level.PROBLEM, way.base, "round trip", _refusal(refused))
    except (OSError, WebSocketException, httpx2.HTTPError) as error:
        # TimeoutError is an OSError.
        text = str(error).rstrip(".") or "no answer in time"
        yield Finding(Level.PROBLEM, way.base, "round trip", f"{text}. See the log of the server.")
    else:
        yield Finding(
            Level.OK,
            way.base,
            "round trip",
            f"{ROUNDS} publications went through API, broker and WebSocket: median {median(lasted) * 1000:.1f} ms, "
            f"slowest {max(lasted) * 1000:.1f} ms.",
        )


# The steps.


async def _enter(socket: ClientConnection, way: Way) -> tuple[str, float]:
    """Connect as a user of our own; returns the user, and by how many seconds the server's clock is ahead."""
    user = f"tidings-doctor-{secrets.token_hex(8)}"
    now = time.time()
    mint = partial(tokens.mint, way.rules.hmac_secret, user=user, ttl=TOKEN_TTL, now=now, rules=way.rules)
    token = mint()
    reply = await _ask(socket, {"id": 1, "connect": {"token": token, "name": "tidings-doctor"}})
    if f"#{user}" not in reply["connect"].get("subs", {}):
        permit = mint(channel=f"#{user}")
        await _ask(socket, {"id": 2, "subscribe": {"channel": f"#{user}", "token": permit}})
    told = reply["connect"].get("time", 0) / 1000
    return user, told - (now + time.time()) / 2 if told else 0.0


async def _ask(socket: ClientConnection, command: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps(command))
    while True:
        for reply in await _read(socket):
            if reply.get("id") == command["id"]:
                if "error" in reply:
                    error = reply["error"]
                    cure = CURES.get(error["code"], SILENT)
                    raise Broken(f"the server answers {error['code']} {error['message']}: {cure}")
                return reply


async def _travel(socket: ClientConnection, user: str, way: Way) -> list[float]:
    """Publish and hear, one after the other. Returns the seconds of each."""
    lasted = []
    headers = {"x-api-key": way.api_key}
    trusted = encryption.outward()
    async with HttpClient(
        base_url=way.api, verify=trusted, timeout=PATIENCE, headers=headers, trust_env=False
    ) as client:
        for number in range(ROUNDS):
            begin = time.perf_counter()
            answer = await client.post("/api/publish", json={"channel": f"#{user}", "data": {"number": number}})
            _require_published(answer)
            await _hear(socket, number)
            lasted.append(time.perf_counter() - begin)
    return lasted


async def _hear(socket: ClientConnection, number: int) -> None:
    while True:
        for reply in await _read(socket):
            publication = reply.get("push", {}).get("pub")
            if publication is not None and publication.get("data") == {"number": number}:
                return


async def _read(socket: ClientConnection) -> list[dict[str, Any]]:
    """The next message's replies; a ping among them is answered."""
    try:
        async with asyncio.timeout(PATIENCE):
            message = await socket.recv()
    except ConnectionClosed as closed:
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
        raise Broken(f"the server closed with {code} {reason}: {CURES.get(code, SILENT)}") from closed
    except TimeoutError as late:
        raise Broken(f"nothing was heard for {PATIENCE:g} s. Is the broker of the server this one?") from late
    replies = [json.loads(line) for line in message.splitlines() if line]
    if {} in replies:
        await socket.send("{}")
    return replies


def _require_published(answer: httpx2.Response) -> None:
    if answer.status_code == 401:
        raise Broken("the server does not accept [api] key. Does it run with these settings? Restart it.")
    if answer.status_code == 429:
        raise Limited(f"[limits] api_requests allows too few for the {ROUNDS} publications of this trial, or did now.")
    try:
        error = answer.json().get("error")
    except (ValueError, AttributeError) as failure:
        raise Broken(f"the API answers {answer.status_code}, not as a Tidings server would.") from failure
    if error is not None:
        raise Broken(f"the API answers {error['code']} {error['message']}. See the log of the server.")


# What is said.


def _clock(where: str, skew: float) -> Finding:
    if abs(skew) < SKEW:
        return Finding(Level.OK, where, "clock", f"within {SKEW:g} s of this machine's.")
    relation = "ahead of" if skew > 0 else "behind"
    return Finding(
        Level.WARNING,
        where,
        "clock",
        f"the server's is {abs(skew):.1f} s {relation} this machine's: tokens that are made here are good too "
        f"{'short' if skew > 0 else 'long'}. Set both by NTP.",
    )


def _refusal(refused: InvalidStatus) -> str:
    status = refused.response.status_code
    body = (refused.response.body or b"")[:100].decode(errors="replace").strip()
    why = f": {body}" if body else ""
    return f"the handshake is answered with {status}{why}. Does a proxy on the way pass Upgrade and Connection on?"


def _address(base: str) -> str:
    return f"ws{base.removeprefix('http')}/connection/websocket"
