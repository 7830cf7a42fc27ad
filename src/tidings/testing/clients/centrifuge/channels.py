"""All channels of one client: which subscription a push belongs to, and what is reported after a reconnect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from tidings.testing.clients.centrifuge.encoding import value_of
from tidings.testing.clients.centrifuge.subscription import Subscription
from tidings.testing.clients.centrifuge.values import Publication, client_info, publication
from tidings.testing.clients.stream import Record, Stream
from tidings.testing.clients.transcript import Closing, Letter
from tidings.wire.centrifuge import messages
from tidings.wire.centrifuge.messages import Push, SubscribeRequest, SubscribeResult

T = TypeVar("T")


class Channels:
    """Sorts what comes. A publication in a channel that nobody subscribed to is still the client's to read."""

    def __init__(
        self, record: Record, patience: float, put: Callable[[Letter[Publication]], None], notes: Stream[Any]
    ) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self._record = record
        self._patience = patience
        self._put = put
        self._notes = notes

    # Subscriptions begin and end.

    def begin(self, subscription: Subscription, result: SubscribeResult) -> None:
        self.subscriptions[subscription.channel] = subscription
        subscription.begin(result)
        for one in result.publications:
            missed = publication(one, subscription.channel, result.epoch, self._record.now(), recovered=True)
            self._deliver(missed, subscription)

    def end(self, channel: str, ending: Closing | None = None) -> None:
        if channel in self.subscriptions:
            self.subscriptions[channel].end(ending)

    def enter(self, results: Mapping[str, SubscribeResult]) -> None:
        """A connection begins, with these server-side subscriptions and no others."""
        for channel, subscription in self.subscriptions.items():
            if subscription.is_server_side and channel not in results:
                subscription.end()
        for channel, result in results.items():
            self.begin(self._server_side(channel), result)

    # After a reconnect.

    def to_recover(self) -> dict[str, SubscribeRequest]:
        """The positions of server-side subscriptions, which are reported with the connect."""
        return {
            channel: SubscribeRequest(
                recover=True, offset=subscription.position.offset, epoch=subscription.position.epoch
            )
            for channel, subscription in self.subscriptions.items()
            if subscription.is_server_side and subscription.comes_back and subscription.result.recoverable
        }

    def again(self, subscription: Subscription, token: str) -> SubscribeRequest:
        """What is asked to take up a subscription, with another token if one is given."""
        before = subscription.request or SubscribeRequest(channel=subscription.channel)
        request = replace(before, token=token or before.token)
        if not subscription.result.recoverable:
            return request
        position = subscription.position
        return replace(request, recover=True, offset=position.offset, epoch=position.epoch)

    # Pushes.

    def hear(self, push: Push, at: float) -> None:
        subscription = self.subscriptions.get(push.channel)
        if push.pub is not None:
            epoch = subscription.position.epoch if subscription and push.pub.offset else ""
            self._deliver(publication(push.pub, push.channel, epoch, at), subscription)
        elif push.message is not None:
            self._letter(value_of(push.message.data), self._notes.put)
        elif push.subscribe is not None:
            self.begin(self._server_side(push.channel), result_of(push.subscribe))
        elif push.unsubscribe is not None:
            self.end(push.channel, Closing(push.unsubscribe.code, push.unsubscribe.reason))
        elif subscription is not None:
            self._hear_of_people(push, subscription)

    def _hear_of_people(self, push: Push, subscription: Subscription) -> None:
        if push.join is not None and push.join.info is not None:
            self._letter(client_info(push.join.info), subscription.joins.put)
        elif push.leave is not None and push.leave.info is not None:
            self._letter(client_info(push.leave.info), subscription.leaves.put)

    def _deliver(self, found: Publication, subscription: Subscription | None) -> None:
        letter = self._letter(found, self._put)
        if subscription is not None:
            subscription.put(letter)

    def _letter(self, value: T, put: Callable[[Letter[T]], None]) -> Letter[T]:
        letter = Letter(value)
        self._record.transcript.attach(letter)
        put(letter)
        return letter

    def _server_side(self, channel: str) -> Subscription:
        known = self.subscriptions.get(channel)
        if known is not None and known.is_server_side:
            return known
        return Subscription(self._record, channel, None, self._patience)


def result_of(push: messages.Subscribe) -> SubscribeResult:
    """A subscription begun by the server, as if it had been asked for."""
    return SubscribeResult(
        recoverable=push.recoverable,
        epoch=push.epoch,
        offset=push.offset,
        positioned=push.positioned,
        data=push.data,
    )
