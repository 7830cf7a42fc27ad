"""centrifuge-python as a test uses it: its events come out in order, and payloads are plain values.

>>> ada = Listener(server.websocket, Encoding.JSON, get_token)
>>> await ada.connect()
>>> news = await ada.subscribe("news")
>>> (await news.publication()).data
{'text': 'hello'}
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar

from centrifuge import (
    Client,
    ClientEventHandler,
    ConnectedContext,
    ConnectingContext,
    Publication,
    PublicationContext,
    SubscribedContext,
    SubscribingContext,
    SubscriptionEventHandler,
)

PATIENCE = 20.0
"""Seconds to wait for something that has to come."""

RETRY = 0.05
"""Seconds before the first attempt to connect again; the SDK doubles them with each failure."""

C = TypeVar("C")


class Encoding(Enum):
    """What payloads are for the SDK: values in JSON, bytes in Protobuf."""

    JSON = "json"
    PROTOBUF = "protobuf"

    def encode(self, value: Any) -> Any:
        return json.dumps(value).encode() if self is Encoding.PROTOBUF else value

    def decode(self, data: Any) -> Any:
        return json.loads(data) if self is Encoding.PROTOBUF and data is not None else data


class Tokens:
    """What an application hands to the SDK as `get_token`: makes a token each time it is asked.

    `make` gets the channel that a subscription token is for.
    """

    def __init__(self, make: Callable[..., str]) -> None:
        self._make = make
        self._asked = asyncio.Condition()
        self.count = 0

    async def __call__(self, *channel: str) -> str:
        async with self._asked:
            self.count += 1
            self._asked.notify_all()
        return self._make(*channel)

    async def asked(self, times: int) -> None:
        """Wait until so many tokens were asked for."""
        async with asyncio.timeout(PATIENCE), self._asked:
            await self._asked.wait_for(lambda: self.count >= times)


class Journal:
    """Events, each to be taken once."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Any] = asyncio.Queue()

    async def note(self, context: Any) -> None:
        self._events.put_nowait(context)

    async def next(self, kind: type[C]) -> C:
        """The next event, which has to be of this kind."""
        async with asyncio.timeout(PATIENCE):
            event = await self._events.get()
        assert isinstance(event, kind), f"expected {kind}, and then came {event}"
        return event

    async def skip_to(self, kind: type[C]) -> C:
        """The next event of this kind, whatever comes before it."""
        async with asyncio.timeout(PATIENCE):
            while not isinstance(event := await self._events.get(), kind):
                pass
        return event

    @property
    def is_empty(self) -> bool:
        return self._events.empty()


class ClientJournal(Journal, ClientEventHandler):
    """What a client's handlers are called with."""

    on_connecting = on_connected = on_disconnected = on_error = Journal.note
    on_subscribing = on_subscribed = on_unsubscribed = on_publication = on_join = on_leave = Journal.note


class SubscriptionJournal(Journal, SubscriptionEventHandler):
    """What a subscription's handlers are called with."""

    on_subscribing = on_subscribed = on_unsubscribed = on_publication = on_join = on_leave = on_error = Journal.note


class Channel(SubscriptionJournal):
    """A subscription of the SDK, with its journal."""

    def __init__(self, client: Client, encoding: Encoding, name: str, options: dict[str, Any]) -> None:
        super().__init__()
        self._encoding = encoding
        self.name = name
        self.subscription = client.new_subscription(name, self, min_resubscribe_delay=RETRY, **options)

    async def publication(self) -> Publication:
        """The next event, which has to be a publication."""
        return self._plain((await self.next(PublicationContext)).pub)

    async def publications(self, count: int) -> list[Any]:
        """What the next publications say."""
        return [(await self.publication()).data for _ in range(count)]

    async def publish(self, value: Any) -> None:
        await self.subscription.publish(self._encoding.encode(value))

    async def history(self, **options: Any) -> list[Any]:
        """What the kept publications say."""
        read = await self.subscription.history(**options)
        return [self._plain(kept).data for kept in read.publications]

    def _plain(self, publication: Publication) -> Publication:
        return replace(publication, data=self._encoding.decode(publication.data))


class Listener:
    """A client of the SDK, with its journal."""

    def __init__(self, websocket: str, encoding: Encoding, get_token: Callable[[], Awaitable[str]] | None) -> None:
        self.encoding = encoding
        self.journal = ClientJournal()
        self.client = Client(
            websocket,
            events=self.journal,
            get_token=get_token,
            use_protobuf=encoding is Encoding.PROTOBUF,
            timeout=PATIENCE,
            min_reconnect_delay=RETRY,
            proxy=None,
        )

    async def connect(self) -> ConnectedContext:
        """Connect, which has to succeed at once."""
        await self.try_to_connect()
        return await self.journal.next(ConnectedContext)

    async def try_to_connect(self) -> None:
        await self.client.connect()
        await self.journal.next(ConnectingContext)

    async def subscribe(self, name: str, **options: Any) -> Channel:
        """A subscription that is live."""
        channel = await self.try_to_subscribe(name, **options)
        await channel.next(SubscribedContext)
        return channel

    async def try_to_subscribe(self, name: str, **options: Any) -> Channel:
        channel = Channel(self.client, self.encoding, name, options)
        await channel.subscription.subscribe()
        await channel.next(SubscribingContext)
        return channel

    async def rpc(self, method: str, value: Any) -> Any:
        answer = await self.client.rpc(method, self.encoding.encode(value))
        return self.encoding.decode(answer.data)
