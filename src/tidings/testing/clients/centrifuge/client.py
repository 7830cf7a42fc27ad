"""A client of the Centrifuge protocol, version 2, in which the test decides everything.

    async with Client(node.websocket, token=token) as client:
        news = await client.subscribe("news")
        await client.publish("news", {"text": "hello"})
        assert (await news.receive()).data == {"text": "hello"}

Nothing happens by itself except that pings are answered: no reconnect, no refresh, no new subscription.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from ssl import SSLContext
from typing import Any

from tidings.testing.clients.centrifuge.channels import Channels
from tidings.testing.clients.centrifuge.encoding import SPEECHES, Encoding, payload, value_of
from tidings.testing.clients.centrifuge.subscription import Subscription
from tidings.testing.clients.centrifuge.values import (
    ClientInfo,
    History,
    Position,
    Publication,
    client_info,
    publication,
)
from tidings.testing.clients.socket import Data
from tidings.testing.clients.stream import ConversationError, Record, Stream
from tidings.testing.clients.transcript import Direction, Observer
from tidings.testing.clients.websocket import WebSocketConversation
from tidings.wire.centrifuge import messages
from tidings.wire.centrifuge.messages import Command, Reply, SubscribeRequest, SubscribeResult

Token = str | Callable[[], str]
"""A token, or what makes one whenever one is needed."""


class ReplyError(ConversationError):
    """The server answered a command with an error: its `code`, `message`, and whether it is `temporary`."""

    def __init__(self, asked: str, error: messages.Error, record: Record) -> None:
        super().__init__(f"The answer to {asked} is error {error.code}: {error.message}.", record.transcript)
        self.code, self.message, self.temporary = error.code, error.message, error.temporary


class _Question:
    """A command that waits for its answer. `heed` sees the answer before anything that came after it is looked at."""

    def __init__(self, heed: Callable[[Reply], None] | None) -> None:
        self.answer: Reply | None = None
        self.heed = heed


class Client(WebSocketConversation[Publication]):
    """Reads the publications of all channels as a `Stream` does; those of one channel are its `Subscription`'s.

    What is read in one of the two places is not read again in the other. `messages` are those for this connection
    alone. `connected` is the server's answer to the connect, `client.id` its name for this connection, and `data` what
    the application added to it.

    `token` may be a function, which is then asked at every connect. `data` and `subs` go with the connect. While
    `answers_pings` is false, no ping is answered.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token = "",
        name: str = "",
        data: Any = None,
        subs: Mapping[str, SubscribeRequest] | None = None,
        encoding: Encoding | str = Encoding.JSON,
        answers_pings: bool = True,
        headers: Mapping[str, str] | None = None,
        ssl: SSLContext | None = None,
        compression: bool = False,
        patience: float | None = None,
        on_frame: Observer | None = None,
    ) -> None:
        self._speech = SPEECHES[Encoding(encoding)]
        super().__init__(
            url,
            headers=headers,
            subprotocols=self._speech.subprotocols,
            ssl=ssl,
            compression=compression,
            name=name,
            patience=patience,
            on_frame=on_frame,
        )
        self._token, self._data, self._subs = token, data, subs or {}
        self._numbers = count(1)
        self._questions: dict[int, _Question] = {}
        self.answers_pings = answers_pings
        self.pings = 0
        """How many have come."""
        self.connected = messages.ConnectResult()
        self.messages = Stream[Any](self._record, "message for this connection")
        self.messages.patience = self.patience
        self._channels = Channels(self._record, self.patience, self.put, self.messages)

    # Coming and going.

    @property
    def id(self) -> str:
        """The server's name for this connection."""
        return self.connected.client

    @property
    def data(self) -> Any:
        """What the application added to the answer to the connect."""
        return value_of(self.connected.data)

    @property
    def subscriptions(self) -> Mapping[str, Subscription]:
        """By channel, client-side and server-side ones, ended ones too."""
        return self._channels.subscriptions

    async def __aenter__(self) -> Client:
        await self.connect()
        return self

    async def connect(self) -> messages.ConnectResult:
        """Open the connection, unless that has been done, and ask to be let in.

        Raises `ReplyError` where the answer is an error and `ConversationError` where the connection ends in place of
        an answer; `closing` then has the code. Nothing is left open in both cases.
        """
        if not self.is_open:
            await self.open()
        try:
            await self.ask(connect=self._greeting(), heed=self._enter)
        except BaseException:
            await self.leave()
            raise
        return self.connected

    async def reconnect(self, *, token: Token | None = None) -> messages.ConnectResult:
        """Close the connection if it is still there, connect anew, and take up all subscriptions again.

        Recoverable ones report their position; whether they recovered is in `recovered` of each. A subscription that
        was ended, by this client or for good, is not taken up. Raises as `connect` and `subscribe` do.
        """
        await self.leave()
        self._token = self._token if token is None else token
        await self.connect()
        for subscription in list(self.subscriptions.values()):
            if subscription.request is not None and subscription.comes_back:
                await self.resubscribe(subscription)
        return self.connected

    # Channels.

    async def subscribe(
        self,
        channel: str,
        *,
        token: str = "",
        data: Any = None,
        since: Position | None = None,
        recover: bool = False,
        positioned: bool = False,
        recoverable: bool = False,
        join_leave: bool = False,
        timeout: float | None = None,
    ) -> Subscription:
        """Subscribe, and return when the server has let this client in. Raises `ReplyError` if it does not.

        With `since` the server is asked for everything after that position; with `recover` alone, for the latest
        publication of a channel that recovers from its cache.
        """
        request = SubscribeRequest(
            channel=channel,
            token=token,
            data=payload(data),
            recover=recover or since is not None,
            offset=since.offset if since else 0,
            epoch=since.epoch if since else "",
            positioned=positioned,
            recoverable=recoverable,
            join_leave=join_leave,
        )
        subscription = Subscription(self._record, channel, request, self.patience)
        await self._subscribe(subscription, request, timeout)
        return subscription

    async def resubscribe(self, subscription: Subscription, *, token: str = "") -> None:
        """Subscribe again to the same channel, from the position of the last publication where it recovers."""
        await self._subscribe(subscription, self._channels.again(subscription, token), None)

    async def unsubscribe(self, channel: str | Subscription, *, timeout: float | None = None) -> None:
        name = channel if isinstance(channel, str) else channel.channel
        await self.ask(
            unsubscribe=messages.UnsubscribeRequest(name), heed=lambda _: self._channels.end(name), timeout=timeout
        )

    async def subscription(self, channel: str, *, timeout: float | None = None) -> Subscription:
        """The subscription to a channel, as soon as it is active; for those that the server begins."""

        def look() -> Subscription | None:
            found = self.subscriptions.get(channel)
            return found if found is not None and found.is_active else None

        return await self._wait(look, lambda: f"a subscription to {channel}", timeout)

    async def publish(self, channel: str, data: Any, *, timeout: float | None = None) -> None:
        await self.ask(publish=messages.PublishRequest(channel, payload(data)), timeout=timeout)

    async def history(
        self,
        channel: str,
        *,
        limit: int = -1,
        since: Position | None = None,
        reverse: bool = False,
        timeout: float | None = None,
    ) -> History:
        """What the channel keeps. With `limit` 0 only the position, with -1 as much as the server gives."""
        place = messages.StreamPosition(since.offset, since.epoch) if since else None
        reply = await self.ask(history=messages.HistoryRequest(channel, limit, place, reverse), timeout=timeout)
        result = reply.history or messages.HistoryResult([], "", 0)
        now = self._record.now()
        found = tuple(publication(one, channel, result.epoch, now) for one in result.publications)
        return History(found, Position(result.offset, result.epoch))

    async def presence(self, channel: str, *, timeout: float | None = None) -> dict[str, ClientInfo]:
        """Who is subscribed, by connection."""
        reply = await self.ask(presence=messages.PresenceRequest(channel), timeout=timeout)
        present = reply.presence.presence if reply.presence else {}
        return {client: client_info(info) for client, info in present.items()}

    async def presence_stats(self, channel: str, *, timeout: float | None = None) -> messages.PresenceStatsResult:
        reply = await self.ask(presence_stats=messages.PresenceStatsRequest(channel), timeout=timeout)
        return reply.presence_stats or messages.PresenceStatsResult(0, 0)

    # The application.

    async def rpc(self, method: str, data: Any = None, *, timeout: float | None = None) -> Any:
        """The value that a method of the application returns."""
        reply = await self.ask(rpc=messages.RPCRequest(payload(data), method), timeout=timeout)
        return value_of(reply.rpc.data) if reply.rpc else None

    async def send(self, data: Any) -> None:
        """A message to the application, which does not answer it."""
        await self._say(Command(send=messages.SendRequest(payload(data))))

    async def refresh(self, token: str, *, timeout: float | None = None) -> messages.RefreshResult:
        """Bring a new connection token."""
        reply = await self.ask(refresh=messages.RefreshRequest(token), timeout=timeout)
        return reply.refresh or messages.RefreshResult()

    async def sub_refresh(
        self, channel: str | Subscription, token: str, *, timeout: float | None = None
    ) -> messages.SubRefreshResult:
        """Bring a new subscription token."""
        name = channel if isinstance(channel, str) else channel.channel
        reply = await self.ask(sub_refresh=messages.SubRefreshRequest(name, token), timeout=timeout)
        return reply.sub_refresh or messages.SubRefreshResult()

    async def ask(
        self, *, timeout: float | None = None, heed: Callable[[Reply], None] | None = None, **request: Any
    ) -> Reply:
        """Send one command, such as `rpc=RPCRequest(…)`, and return its answer.

        Raises `ReplyError` where that is an error. `heed` is called with any other at once, before the messages after
        it are looked at.
        """
        number = next(self._numbers)
        question = self._questions[number] = _Question(heed)
        asked = " and ".join(request) or "an empty command"
        try:
            await self._say(Command(id=number, **request))
            reply = await self._wait(lambda: question.answer, lambda: f"the answer to {asked}", timeout)
        finally:
            del self._questions[number]
        if reply.error is not None:
            raise ReplyError(asked, reply.error, self._record)
        return reply

    # Private steps.

    def _greeting(self) -> messages.ConnectRequest:
        return messages.ConnectRequest(
            token=self._token if isinstance(self._token, str) else self._token(),
            data=payload(self._data),
            subs={**self._subs, **self._channels.to_recover()},
            name=self.name,
        )

    def _enter(self, reply: Reply) -> None:
        self.connected = reply.connect or messages.ConnectResult()
        self._channels.enter(self.connected.subs)

    async def _subscribe(self, subscription: Subscription, request: SubscribeRequest, timeout: float | None) -> None:
        def heed(reply: Reply) -> None:
            self._channels.begin(subscription, reply.subscribe or SubscribeResult())

        await self.ask(subscribe=request, heed=heed, timeout=timeout)

    async def _say(self, command: Command) -> None:
        await self._send(self._speech.encode(command), command)

    def _hear(self, data: Data) -> Data | None:
        """Take in all replies of a message; what is sent back is the answer to a ping among them."""
        answer = None
        for reply in self._speech.decode(data):
            frame = self._record.add(Direction.RECEIVED, reply)
            if reply.push is not None:
                self._channels.hear(reply.push, frame.at)
            elif reply.id:
                self._heed(reply)
            else:
                answer = self._pong() or answer
        self._record.wake()
        return answer

    def _heed(self, reply: Reply) -> None:
        question = self._questions.get(reply.id)
        if question is None:
            return
        question.answer = reply
        if question.heed is not None and reply.error is None:
            question.heed(reply)

    def _pong(self) -> Data | None:
        self.pings += 1
        if not (self.answers_pings and self.connected.pong):
            return None
        self._record.add(Direction.SENT, Command())
        return self._speech.encode(Command())
