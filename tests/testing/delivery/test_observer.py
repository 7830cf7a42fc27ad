"""What the frames of a client leave in the history."""

from __future__ import annotations

import msgspec
import pytest

from tidings.model import StreamPosition
from tidings.testing.clients import Closing, Direction, Frame
from tidings.testing.delivery import (
    Connected,
    Delivered,
    Disconnected,
    GapTold,
    History,
    How,
    Observer,
    PresenceSeen,
    Subscribed,
    Unsubscribed,
)
from tidings.wire.centrifuge.messages import Command, Reply

pytestmark = pytest.mark.core

DATA = '{"id":"p-1","n":1}'
CONNECT = ['> {"id":1,"connect":{}}', '< {"id":1,"connect":{"client":"c-1"}}']
CONNECTED = Connected(0.0, "ann", "42", "c-1")
SUBSCRIBE = [
    '> {"id":2,"subscribe":{"channel":"news"}}',
    '< {"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":"e","offset":4}}',
]
SUBSCRIBED = Subscribed(0.0, "ann", "news", "42", None, StreamPosition(4, "e"))
RECOVER = '> {"id":2,"subscribe":{"channel":"news","recover":true,"epoch":"e","offset":4}}'


def delivered(offset: int, epoch: str, how: How, channel: str = "news") -> Delivered:
    return Delivered(0.0, "ann", "42", channel, "p-1", DATA, offset, epoch, how)


def observed(*frames: str) -> Observer:
    """An observer that was shown what a client sent (>) and received (<)."""
    observer = Observer(History(origin=0.0, clock=lambda: 0.0))
    for frame in frames:
        kind = Command if frame[0] == ">" else Reply
        observer.observe("ann", "42", msgspec.json.decode(frame[2:], type=kind))
    return observer


@pytest.mark.parametrize(
    ("frames", "records"),
    [
        ([], []),
        (SUBSCRIBE, [SUBSCRIBED]),
        (
            [*SUBSCRIBE, f'< {{"push":{{"channel":"news","pub":{{"data":{DATA},"offset":5}}}}}}'],
            [SUBSCRIBED, delivered(5, "e", How.LIVE)],
        ),
        (
            ['> {"id":2,"subscribe":{"channel":"chat"}}', '< {"id":2,"subscribe":{}}'],
            [Subscribed(0.0, "ann", "chat", "42")],
        ),
        (
            [
                RECOVER,
                '< {"id":2,"subscribe":{"positioned":true,"epoch":"e","offset":4,"was_recovering":true,'
                f'"recovered":true,"publications":[{{"data":{DATA},"offset":5}}]}}}}',
            ],
            [
                Subscribed(0.0, "ann", "news", "42", True, StreamPosition(4, "e")),
                delivered(5, "e", How.RECOVERED),
            ],
        ),
        (
            [RECOVER, '< {"id":2,"subscribe":{"positioned":true,"epoch":"f","offset":1,"was_recovering":true}}'],
            [GapTold(0.0, "ann", "news"), Subscribed(0.0, "ann", "news", "42", False, StreamPosition(1, "f"))],
        ),
        (
            [RECOVER, '< {"id":2,"error":{"code":112,"message":"unrecoverable position"}}'],
            [GapTold(0.0, "ann", "news")],
        ),
        ([RECOVER, '< {"id":2,"error":{"code":103,"message":"permission denied"}}'], []),
        (
            [*SUBSCRIBE, '> {"id":3,"unsubscribe":{"channel":"news"}}', '< {"id":3,"unsubscribe":{}}'],
            [SUBSCRIBED, Unsubscribed(0.0, "ann", "news")],
        ),
        (
            [*SUBSCRIBE, '< {"push":{"channel":"news","unsubscribe":{"code":2000}}}'],
            [SUBSCRIBED, Unsubscribed(0.0, "ann", "news", 2000)],
        ),
        (
            [*SUBSCRIBE, '< {"push":{"channel":"news","unsubscribe":{"code":2500}}}'],
            [SUBSCRIBED, GapTold(0.0, "ann", "news"), Unsubscribed(0.0, "ann", "news", 2500)],
        ),
        (
            [
                '< {"push":{"channel":"#42","subscribe":{}}}',
                f'< {{"push":{{"channel":"#42","pub":{{"data":{DATA}}}}}}}',
            ],
            [Subscribed(0.0, "ann", "#42", "42"), delivered(0, "", How.LIVE, "#42")],
        ),
        (
            [
                '> {"id":2,"history":{"channel":"news","limit":1}}',
                f'< {{"id":2,"history":{{"publications":[{{"data":{DATA},"offset":5}}],"epoch":"e","offset":5}}}}',
            ],
            [delivered(5, "e", How.HISTORY)],
        ),
        (
            [
                '> {"id":2,"presence":{"channel":"news"}}',
                '< {"id":2,"presence":{"presence":{'
                '"c-2":{"user":"a","client":"c-2"},"c-1":{"user":"b","client":"c-1"}}}}',
            ],
            [PresenceSeen(0.0, "news", ("c-1", "c-2"), 0.0)],
        ),
        (["< {}", '< {"push":{"channel":"news","join":{"info":{"user":"a","client":"c"}}}}'], []),
        (['> {"id":2,"rpc":{"method":"x"}}', '< {"id":2,"rpc":{}}', '> {"id":3,"send":{}}'], []),
        (['< {"push":{"disconnect":{"code":3501}}}'], [Disconnected(0.0, "ann", 3501)]),
    ],
)
def test_frames_become_records(frames: list[str], records: list[object]) -> None:
    observer = observed(*CONNECT, *frames)
    assert list(observer.history) == [CONNECTED, *records]


def test_subscriptions_that_come_with_the_connection() -> None:
    """Of the server's own, and with what they recover."""
    observer = observed(
        '> {"id":1,"connect":{}}',
        '< {"id":1,"connect":{"client":"c-1","subs":{"news":{"positioned":true,"epoch":"e","offset":4,'
        f'"was_recovering":true,"recovered":true,"publications":[{{"data":{DATA},"offset":5}}]}}}}}}}}',
    )
    assert list(observer.history) == [
        CONNECTED,
        Subscribed(0.0, "ann", "news", "42", True, StreamPosition(4, "e")),
        delivered(5, "e", How.RECOVERED),
    ]


def test_the_end_of_a_connection() -> None:
    """Once, and with 3010 a gap in everything that the client was subscribed to."""
    observer = observed(*CONNECT, *SUBSCRIBE)
    observer.closed("ann", 3010)
    observer.closed("ann", 3010)
    observer.closed("bob", 3000)
    assert list(observer.history)[2:] == [GapTold(0.0, "ann", "news"), Disconnected(0.0, "ann", 3010)]


def test_times_may_be_given() -> None:
    observer = Observer(History(origin=0.0, clock=lambda: 9.0))
    observer.observe("ann", "42", msgspec.json.decode(CONNECT[1][2:], type=Reply), at=1.5)
    observer.closed("ann", 3000, at=2.5)
    assert [record.at for record in observer.history] == [1.5, 2.5]


def test_the_answer_to_something_that_was_not_shown() -> None:
    with pytest.raises(ValueError, match="reply 2 of client 'ann' answers a command that was not observed"):
        observed(*CONNECT, SUBSCRIBE[1])
    with pytest.raises(ValueError, match="reply 3 of client 'ann' answers a command that was not observed"):
        observed(*CONNECT, '< {"id":3,"presence":{"presence":{}}}')


def test_deltas_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="let the client subscribe without `delta`"):
        observed(*CONNECT, *SUBSCRIBE, '< {"push":{"channel":"news","pub":{"data":"x","offset":5,"delta":true}}}')


def test_a_client_of_the_toolkit_shows_its_frames():
    """With its remarks, of which the end of the connection counts."""
    observer = Observer(History(origin=0.0, clock=lambda: 0.0))
    hear = observer.of("ann", "42")
    hear(Frame(0.0, Direction.NOTED, "opened"))
    for frame in CONNECT:
        sent = frame[0] == ">"
        content = msgspec.json.decode(frame[2:], type=Command if sent else Reply)
        hear(Frame(0.1, Direction.SENT if sent else Direction.RECEIVED, content))
    hear(Frame(0.2, Direction.NOTED, "stops reading"))
    hear(Frame(0.3, Direction.NOTED, "closed 3001 shutdown", Closing(3001, "shutdown")))
    assert list(observer.history) == [CONNECTED, Disconnected(0.0, "ann", 3001)]
