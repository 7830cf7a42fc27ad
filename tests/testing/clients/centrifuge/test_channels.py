"""Which subscription a push belongs to, and what is reported after a reconnect."""

from __future__ import annotations

from typing import Any

import pytest

from tidings.testing.clients.centrifuge.channels import Channels
from tidings.testing.clients.centrifuge.encoding import payload
from tidings.testing.clients.centrifuge.subscription import Subscription
from tidings.testing.clients.centrifuge.values import Position, Publication
from tidings.testing.clients.stream import Record, Stream
from tidings.testing.clients.transcript import Direction
from tidings.wire.centrifuge import messages
from tidings.wire.centrifuge.messages import Push, SubscribeRequest, SubscribeResult

pytestmark = pytest.mark.core


class Client:
    """All of a client that needs no connection."""

    def __init__(self) -> None:
        self.record = Record("a test")
        self.record.add(Direction.NOTED, "opened")
        self.all = Stream[Publication](self.record)
        self.notes = Stream[Any](self.record)
        self.channels = Channels(self.record, 1.0, self.all.put, self.notes)

    def subscribed(self, channel: str, **result: Any) -> Subscription:
        request = SubscribeRequest(channel=channel, token="t")
        subscription = Subscription(self.record, channel, request, 1.0)
        self.channels.begin(subscription, SubscribeResult(**result))
        return subscription

    def hear(self, channel: str, **push: Any) -> None:
        self.channels.hear(Push(channel=channel, **push), 1.5)

    def publish(self, channel: str, data: object, offset: int = 0) -> None:
        self.hear(channel, pub=messages.Publication(data=payload(data), offset=offset))


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_publication_is_its_subscriptions_and_the_clients(client: Client) -> None:
    news = client.subscribed("news", recoverable=True, epoch="e", offset=6)
    client.publish("news", "hello", 7)
    (heard,) = news.unread
    assert (heard.channel, heard.data, heard.offset, heard.epoch, heard.at) == ("news", "hello", 7, "e", 1.5)
    assert client.all.unread == [heard]
    assert news.position == heard.position == Position(7, "e")


def test_a_publication_of_a_strange_channel_is_not_lost(client: Client) -> None:
    """A client that hears what it did not subscribe to is what a test wants to find."""
    client.publish("secret", "not for you")
    assert [(one.channel, one.data) for one in client.all.unread] == [("secret", "not for you")]


def test_recovered_publications_come_first_and_are_marked(client: Client) -> None:
    missed = [messages.Publication(data=payload(number), offset=number) for number in (4, 5)]
    news = client.subscribed("news", recoverable=True, recovered=True, epoch="e", offset=3, publications=missed)
    client.publish("news", 6, 6)
    assert [(one.data, one.recovered) for one in news.publications] == [(4, True), (5, True), (6, False)]
    assert news.position == Position(6, "e")


def test_people_and_notes(client: Client) -> None:
    news = client.subscribed("news")
    info = messages.ClientInfo("42", "c", payload({"name": "Ada"}))
    client.hear("news", join=messages.Join(info))
    client.hear("news", leave=messages.Leave(info))
    client.hear("", message=messages.Note(payload("for you")))
    (joined,), (left,) = news.joins.unread, news.leaves.unread
    assert joined == left
    assert (joined.user, joined.conn_info, joined.chan_info) == ("42", {"name": "Ada"}, None)
    assert client.notes.unread == ["for you"]


def test_the_server_ends_a_subscription(client: Client) -> None:
    news = client.subscribed("news")
    client.hear("news", unsubscribe=messages.Unsubscribe(2000, "server unsubscribe"))
    assert (news.is_active, news.ending, news.comes_back) == (False, (2000, "server unsubscribe"), False)
    again = client.subscribed("news")
    client.hear("news", unsubscribe=messages.Unsubscribe(2500, "insufficient state"))
    assert (again.is_active, again.comes_back) == (False, True)


def test_the_server_begins_a_subscription(client: Client) -> None:
    client.hear("#42", subscribe=messages.Subscribe(recoverable=True, epoch="e", offset=3))
    mine = client.channels.subscriptions["#42"]
    assert (mine.is_server_side, mine.is_active, mine.position) == (True, True, Position(3, "e"))


def test_what_is_asked_after_a_reconnect(client: Client) -> None:
    """Positions, but only where the server said that it can recover."""
    kept, brief = client.subscribed("kept", recoverable=True, epoch="e", offset=3), client.subscribed("brief")
    client.publish("kept", "x", 4)
    again = client.channels.again(kept, "")
    assert (again.recover, again.offset, again.epoch, again.token) == (True, 4, "e", "t")
    assert client.channels.again(brief, "new") == SubscribeRequest(channel="brief", token="new")


def test_server_side_subscriptions_are_reported_with_the_connect(client: Client) -> None:
    """They stay the same objects if the server begins them again, and end if it does not."""
    result = SubscribeResult(recoverable=True, epoch="e", offset=3)
    client.channels.enter({"#42": result, "#42:old": result, "plain": SubscribeResult()})
    before = dict(client.channels.subscriptions)
    client.publish("#42", "x", 4)
    report = client.channels.to_recover()
    assert {channel: (one.recover, one.offset, one.epoch) for channel, one in report.items()} == {
        "#42": (True, 4, "e"),
        "#42:old": (True, 3, "e"),
    }
    client.channels.enter({"#42": result})
    assert client.channels.subscriptions["#42"] is before["#42"]
    assert [one.channel for one in before.values() if one.is_active] == ["#42"]
