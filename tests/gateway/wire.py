"""Clients without a network: a transport that keeps what it is given, and somebody who speaks JSON over it.

>>> ada = Caller(node)
>>> await ada.connect("ada")
>>> await ada.ask({"subscribe": {"channel": "news"}})
{'id': 2, 'subscribe': {}}
>>> ada.wire.messages[-1]
b'{"id":2,"subscribe":{}}'

Nothing in here knows the rules of the protocol. Whoever wants to break them writes bytes: `ada.say('{"id":1}')`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tidings.gateway.connection import Connection
from tidings.gateway.node import Node
from tidings.gateway.tokens import mint
from tidings.gateway.transports.base import Wrap
from tidings.gateway.transports.handshake import Handshake
from tidings.wire.centrifuge.codec import Codec
from tidings.wire.centrifuge.json import JSON

SECRET = "a secret of thirty-two characters"
HANDSHAKE = Handshake("/connection/websocket", {}, {"x-room": "12"}, None, "tidings.test", "192.0.2.1", ())
HOUR = 3600.0
PATIENCE = 20.0


async def until(condition: Callable[[], object]) -> None:
    """Ask until it is true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


async def turn() -> None:
    """Let the loop take a turn: what was published in this one is written at its end."""
    await asyncio.sleep(0)


def unframed(payload: bytes) -> bytes:
    """How a message is wrapped here: not at all. One function, so that all connections may share bytes."""
    return payload


class Wire:
    """A transport to nowhere. `messages` is what it was given, `end` why it was closed.

    `is_read` says whether it is listened to; it says everything all the same.

    It asks for a pause when there is `room` for no more messages, as a socket does whose client reads too slowly.
    """

    name = "wire"
    text = True

    def __init__(self, *, room: int | None = None, native_pings: bool = False, wrap: Wrap = unframed) -> None:
        self.messages: list[bytes] = []
        self.end: tuple[int, str] | None = None
        self.pings = 0
        self.native_pings = native_pings
        self.wrap = wrap
        self.is_read = True
        self._room = room
        self._lost = False

    # Out, for the peer.

    def write(self, data: bytes, /) -> None:
        assert not self._lost, "a transport that is lost cannot be written to"
        if self.end is not None:
            return
        self.messages.append(data)
        if self._room is not None:
            self._room -= 1
            if self._room == 0:
                self.peer.pause()

    def send(self, payload: bytes, *, text: bool) -> None:
        self.write(payload)

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def ping(self) -> None:
        self.pings += 1

    def close(self, code: int, reason: str) -> None:
        if self.end is None:
            self.end = code, reason
            asyncio.get_running_loop().call_soon(self.lose, code, reason)

    def abort(self) -> None:
        self.close(1006, "")

    # What happens to it.

    def drain(self, room: int | None = None) -> None:
        """The client has read everything, and there is room again."""
        self._room = room
        self.peer.resume()

    def lose(self, code: int = 1006, reason: str = "") -> None:
        """The connection is gone."""
        if not self._lost:
            self._lost = True
            self.end = self.end or (code, reason)
            self.peer.lost(code, reason)

    peer: Connection


class Caller:
    """A client that numbers its commands, and hears JSON."""

    def __init__(
        self, node: Node, wire: Wire | None = None, codec: Codec = JSON, handshake: Handshake = HANDSHAKE
    ) -> None:
        self.node = node
        self.wire = wire or Wire()
        self.connection = self.wire.peer = node.join(self.wire, codec, handshake)
        self._commands = 0

    # What it does.

    def say(self, *commands: str) -> None:
        """Send commands in one message."""
        self.connection.receive("\n".join(commands).encode())

    def begin(self, command: dict[str, Any]) -> int:
        """Send a command, and return its number."""
        self._commands += 1
        self.say(json.dumps({"id": self._commands, **command}))
        return self._commands

    async def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send a command, and wait for its reply."""
        return await self.reply(self.begin(command))

    def arrive(self, user: str = "", **request: Any) -> int:
        """Begin to connect, with a token for the user or without one, and return the command's number."""
        if user:
            request["token"] = mint(SECRET, user=user, ttl=HOUR, now=self.node.clock.now())
        return self.begin({"connect": request})

    async def connect(self, user: str = "", **request: Any) -> dict[str, Any]:
        return await self.reply(self.arrive(user, **request))

    async def subscribe(self, channel: str, **request: Any) -> dict[str, Any]:
        return await self.ask({"subscribe": {"channel": channel, **request}})

    async def rpc(self, method: str, data: Any = None) -> dict[str, Any]:
        request = {"method": method} if data is None else {"method": method, "data": data}
        return await self.ask({"rpc": request})

    # What it hears.

    @property
    def heard(self) -> list[dict[str, Any]]:
        """Everything in order, each reply and push for itself."""
        return [json.loads(line) for message in self.wire.messages for line in message.split(b"\n")]

    @property
    def pushes(self) -> list[dict[str, Any]]:
        return [heard["push"] for heard in self.heard if "push" in heard]

    def data(self, channel: str) -> list[Any]:
        """What was published in a channel."""
        return [push["pub"]["data"] for push in self.pushes if push.get("channel") == channel and "pub" in push]

    async def reply(self, number: int) -> dict[str, Any]:
        """Wait for the reply to a command."""
        await until(lambda: self._find(number))
        return self._find(number)[0]

    async def ended(self) -> tuple[int, str]:
        """Wait until it is disconnected, and return why."""
        await until(lambda: self.wire.end)
        assert self.wire.end is not None
        return self.wire.end

    def _find(self, number: int) -> list[dict[str, Any]]:
        return [heard for heard in self.heard if heard.get("id") == number]
