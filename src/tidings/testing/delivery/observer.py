"""Turns what a client of the Centrifuge protocol sends and receives into records.

>>> observer = Observer(history)
>>> observer.observe("ann", "42", command)   # what the client sends,
>>> observer.observe("ann", "42", reply)     # what it receives, in the order of the connection,
>>> observer.closed("ann", 3001)             # and the end of each of its connections

The toolkit's own client does so by itself: `Client(…, on_frame=observer.of("ann", "42"))`.

Any client implementation can feed it. Commands have to be shown as well, since a reply does not name its channel. One
client has one connection at a time, and one name over all of them. Payloads are read whole: no deltas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidings.errors import UnrecoverablePosition
from tidings.model import StreamPosition
from tidings.testing.delivery.history import History
from tidings.testing.delivery.records import (
    Connected,
    Delivered,
    Disconnected,
    GapTold,
    How,
    PresenceSeen,
    Subscribed,
    Unsubscribed,
)
from tidings.testing.delivery.tags import tag_of
from tidings.wire.centrifuge.codes import INSUFFICIENT_STATE, UNSUBSCRIBED_INSUFFICIENT_STATE
from tidings.wire.centrifuge.messages import (
    Command,
    Connect,
    ConnectResult,
    HistoryRequest,
    PresenceRequest,
    Publication,
    Push,
    Reply,
    Subscribe,
    SubscribeRequest,
    SubscribeResult,
    Unsubscribe,
    UnsubscribeRequest,
)

if TYPE_CHECKING:
    from tidings.testing.clients import Frame

Asked = SubscribeRequest | UnsubscribeRequest | PresenceRequest | HistoryRequest


@dataclass(slots=True)
class _Client:
    """What has to be remembered of one client's connection."""

    name: str
    user: str
    asked: dict[int, tuple[Asked, float]] = field(default_factory=dict)
    epochs: dict[str, str] = field(default_factory=dict)
    """The channels that it is subscribed to."""
    is_connected: bool = False


class Observer:
    """Notes in `history` what clients see. Times are those of `history.now()`; the present one where none is given."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._clients: dict[str, _Client] = {}

    def observe(self, client: str, user: str, frame: Command | Reply, at: float | None = None) -> None:
        """Note what one message of a client's connection says.

        Raises `ValueError` for the answer to a command that was not observed, and for a delta.
        """
        known = self._clients.setdefault(client, _Client(client, user))
        known.user = user
        now = self.history.now() if at is None else at
        if isinstance(frame, Command):
            self._sent(known, frame, now)
        elif frame.push is not None:
            self._pushed(known, frame.push, now)
        elif frame.id:
            self._answered(known, frame, now)

    def closed(self, client: str, code: int, at: float | None = None) -> None:
        """Note that a client's connection has ended. Harmless for one that was not connected."""
        known = self._clients.get(client)
        if known is None or not known.is_connected:
            return
        now = self.history.now() if at is None else at
        if code == INSUFFICIENT_STATE.code:
            self.history.add(*(GapTold(now, client, channel) for channel in known.epochs))
        self.history.add(Disconnected(now, client, code))
        del self._clients[client]

    def of(self, client: str, user: str = "") -> Callable[[Frame], None]:
        """What a `Client` of the toolkit takes as its `on_frame`, so that all it sends and receives is noted."""

        def hear(frame: Frame) -> None:
            if frame.closing is not None:
                self.closed(client, frame.closing.code)
            elif isinstance(frame.content, Command | Reply):
                self.observe(client, user, frame.content)

        return hear

    # What is sent.

    def _sent(self, client: _Client, command: Command, at: float) -> None:
        request = command.request()
        if isinstance(request, SubscribeRequest | UnsubscribeRequest | PresenceRequest | HistoryRequest):
            client.asked[command.id] = (request, at)

    # What is received.

    def _answered(self, client: _Client, reply: Reply, at: float) -> None:
        request, asked = client.asked.pop(reply.id, (None, at))
        if reply.error is not None:
            if isinstance(request, SubscribeRequest) and reply.error.code == UnrecoverablePosition.code:
                self.history.add(GapTold(at, client.name, request.channel))
            return
        if reply.connect is not None:
            self._connected(client, reply.connect, at)
            return
        match request, reply:
            case SubscribeRequest(channel=channel), Reply(subscribe=SubscribeResult() as result):
                self._subscribed(client, channel, result, at)
            case UnsubscribeRequest(channel=channel), _:
                self._unsubscribed(client, channel, 0, at)
            case PresenceRequest(channel=channel), Reply(presence=presence) if presence is not None:
                self.history.add(PresenceSeen(at, channel, tuple(sorted(presence.presence)), asked))
            case HistoryRequest(channel=channel), Reply(history=history) if history is not None:
                self._delivered(client, channel, history.publications, history.epoch, How.HISTORY, at)
            case None, _ if any(
                each is not None for each in (reply.subscribe, reply.unsubscribe, reply.history, reply.presence)
            ):
                raise ValueError(
                    f"reply {reply.id} of client {client.name!r} answers a command that was not observed: "
                    "show the observer what the client sends, before it is sent"
                )
            case _:
                pass

    def _pushed(self, client: _Client, push: Push, at: float) -> None:
        match push:
            case Push(pub=Publication() as publication):
                epoch = client.epochs.get(push.channel, "")
                self._delivered(client, push.channel, [publication], epoch, How.LIVE, at)
            case Push(unsubscribe=Unsubscribe(code=code)):
                self._unsubscribed(client, push.channel, code, at)
            case Push(subscribe=Subscribe() as told):
                self._subscribed(client, push.channel, told, at)
            case Push(connect=Connect() as told):
                self._connected(client, told, at)
            case Push(disconnect=disconnect) if disconnect is not None:
                self.closed(client.name, disconnect.code, at)
            case _:
                pass

    def _connected(self, client: _Client, result: ConnectResult | Connect, at: float) -> None:
        client.is_connected = True
        self.history.add(Connected(at, client.name, client.user, result.client))
        for channel, subscription in result.subs.items():
            self._subscribed(client, channel, subscription, at)

    def _subscribed(self, client: _Client, channel: str, told: SubscribeResult | Subscribe, at: float) -> None:
        result = told if isinstance(told, SubscribeResult) else SubscribeResult()
        recovered = result.recovered if result.was_recovering else None
        position = StreamPosition(told.offset, told.epoch) if told.positioned or told.recoverable else None
        client.epochs[channel] = told.epoch
        if recovered is False:
            self.history.add(GapTold(at, client.name, channel))
        self.history.add(Subscribed(at, client.name, channel, client.user, recovered, position))
        self._delivered(client, channel, result.publications, told.epoch, How.RECOVERED, at)

    def _unsubscribed(self, client: _Client, channel: str, code: int, at: float) -> None:
        if client.epochs.pop(channel, None) is None:
            return
        if code == UNSUBSCRIBED_INSUFFICIENT_STATE.code:
            self.history.add(GapTold(at, client.name, channel))
        self.history.add(Unsubscribed(at, client.name, channel, code))

    def _delivered(
        self, client: _Client, channel: str, publications: Sequence[Publication], epoch: str, how: How, at: float
    ) -> None:
        for publication in publications:
            if publication.delta:
                raise ValueError("a delta does not show its whole payload: let the client subscribe without `delta`")
            tag = tag_of(bytes(publication.data))
            who = (client.name, client.user, channel)
            self.history.add(Delivered(at, *who, tag.id, tag.content, publication.offset, epoch, how))
