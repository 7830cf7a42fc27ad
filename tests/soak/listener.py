"""Somebody who wants to hear: comes back whenever the connection breaks, to whichever node answers."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Self

from tidings.testing import Client, Observer
from tidings.testing.clients import ConversationError, Frame, Position, ReplyError, UpgradeRefused
from tidings.wire.centrifuge.messages import Reply

PATIENCE = 10.0
PAUSE = 0.3


class Listener:
    """Subscribed to `channels` for as long as the block lasts, through one of `addresses` at a time.

    `token` makes a token. What is sent and received is shown to `observer`.
    """

    def __init__(
        self,
        name: str,
        observer: Observer,
        addresses: Sequence[str],
        channels: Sequence[str],
        token: Callable[[str], str],
    ) -> None:
        self.name = name
        self.positions: dict[str, tuple[int, str]] = {}
        self._show = observer.of(name, name)
        self._changed = asyncio.Event()
        self._addresses = itertools.cycle(addresses)
        self._channels = channels
        self._token = token
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._live(), name=f"listener {self.name}")
        await asyncio.wait_for(self._ready.wait(), PATIENCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    def has_reached(self, channel: str, offset: int, epoch: str) -> bool:
        """Whether it is subscribed, and has got everything up to a position."""
        subscription = self._client.subscriptions.get(channel) if self._client is not None else None
        if subscription is None or not subscription.is_active:
            return False
        return (subscription.position.epoch, subscription.position.offset) == (epoch, offset)

    async def _live(self) -> None:
        while True:
            try:
                async with self._open() as client:
                    self._client = client
                    await self._subscribe_all(client)
                    self._ready.set()
                    await self._keep(client)
            except (ConversationError, UpgradeRefused, OSError, TimeoutError):
                self._remember()
                await asyncio.sleep(PAUSE * random.random())

    def _open(self) -> Client:
        return Client(
            next(self._addresses),
            token=self._token(self.name),
            name=self.name,
            on_frame=self._hear,
            patience=PATIENCE,
        )

    async def _subscribe_all(self, client: Client) -> None:
        for channel in self._channels:
            await self._subscribe(client, channel)

    async def _subscribe(self, client: Client, channel: str) -> None:
        offset, epoch = self.positions.get(channel, (0, ""))
        while True:
            try:
                await client.subscribe(channel, since=Position(offset, epoch) if epoch else None)
                return
            except ReplyError as refusal:
                if not refusal.temporary:
                    raise
                await asyncio.sleep(PAUSE * random.random())

    async def _keep(self, client: Client) -> None:
        """Take up what the server ends, until the connection is gone."""
        while client.is_open:
            self._changed.clear()
            for channel, subscription in list(client.subscriptions.items()):
                if not subscription.is_active and subscription.comes_back:
                    self._remember()
                    await self._subscribe(client, channel)
            await self._changed.wait()

    def _hear(self, frame: Frame) -> None:
        self._show(frame)
        push = frame.content.push if isinstance(frame.content, Reply) else None
        if frame.closing is not None or (push is not None and push.unsubscribe is not None):
            self._changed.set()

    def _remember(self) -> None:
        if self._client is None:
            return
        for channel, subscription in self._client.subscriptions.items():
            if subscription.position.epoch:
                self.positions[channel] = (subscription.position.offset, subscription.position.epoch)
