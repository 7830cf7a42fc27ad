"""Tidings: `ours.py send URL KEY CHANNEL` publishes through a node's HTTP API, `ours.py hear URL CHANNEL FILE` is a
client of another node, and leaves in the file what the delivery checker wants to know.

The client does what every SDK of the protocol does: it comes back when its connection or its subscription ends, and
reports its position.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httpx2
from told import ended, publish_on_command, tell

from tidings.testing.clients import Client, ConversationError, Direction, Frame, ReplyError, Subscription
from tidings.testing.delivery import Delivered, GapTold, History, Observer, stamped

NAME = "ann"
PAUSE = 0.1
"""Seconds between two attempts to come back."""

LONG = 3600.0


class Refused(Exception):
    """The API says that it did not publish, or that it does not know."""


async def send(url: str, key: str, channel: str) -> None:
    # A node closes connections that were idle for 5 s, possibly in the moment in which one would be used again.
    limits = httpx2.Limits(max_connections=None, keepalive_expiry=2.0)
    async with httpx2.AsyncClient(base_url=url, headers={"X-API-Key": key}, limits=limits, timeout=30.0) as http:

        async def publish(id: str) -> dict[str, Any]:
            response = await http.post("/api/publish", json={"channel": channel, "data": stamped(id)})
            answer = response.raise_for_status().json()
            if "error" in answer:
                raise Refused(f"{answer['error']['code']}: {answer['error']['message']}")
            result: dict[str, Any] = answer["result"]
            return result

        await publish_on_command(publish)


class Hearer:
    """One client over all of its connections, which writes down what it hears."""

    def __init__(self, url: str, channel: str) -> None:
        self.history = History()
        self._observer = Observer(self.history)
        self._channel = channel
        self._client = Client(url, patience=LONG, on_frame=self._note)

    async def run(self) -> None:
        await self._client.connect()
        subscription = await self._client.subscribe(self._channel)
        tell("ready")
        while True:
            try:
                ending = await subscription.expect_unsubscribed()
                tell("failed", why=f"unsubscribed {ending}")
            except ConversationError as error:
                tell("failed", why=f"closed {error.closing}")
            await self._come_back(subscription)

    async def _come_back(self, subscription: Subscription) -> None:
        while not subscription.is_active or not self._client.is_open:
            try:
                if self._client.is_open:
                    await self._client.resubscribe(subscription)
                else:
                    await self._client.reconnect()
            except (ReplyError, ConversationError) as error:
                tell("failed", why=error.sentence)
                await asyncio.sleep(PAUSE)

    def _note(self, frame: Frame) -> None:
        known = len(self.history)
        if frame.direction is not Direction.NOTED:
            self._observer.observe(NAME, "", frame.content)
        elif frame.content.startswith("closed "):
            self._observer.closed(NAME, int(frame.content.split()[1]))
        for record in self.history.records()[known:]:
            if isinstance(record, Delivered):
                tell("got", id=record.id)
            elif isinstance(record, GapTold):
                tell("told")


async def hear(url: str, channel: str, file: str) -> None:
    hearer = Hearer(url, channel)
    hearing = asyncio.create_task(hearer.run())
    await asyncio.wait([hearing, asyncio.create_task(ended())], return_when=asyncio.FIRST_COMPLETED)
    if hearing.done():
        hearing.result()
    # What the end of the measurement does to the connection is no part of it.
    hearer.history.save(file)
    hearing.cancel()


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    asyncio.run({"send": send, "hear": hear}[role](*arguments))
