"""What a wrapped publish call leaves in the history."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from tidings import Tidings
from tidings.errors import BrokerUnavailable, PermissionDenied, TidingsError
from tidings.model import StreamPosition
from tidings.testing.delivery import (
    Failure,
    FaultInjected,
    History,
    PublishFailed,
    PublishInvoked,
    PublishOk,
    PublishUnknown,
    Recorder,
    stamped,
)
from tidings.testing.delivery.recorder import position_of

pytestmark = pytest.mark.shell


@pytest.fixture
def history() -> History:
    return History(clock=lambda: 7.0, origin=7.0)


async def test_an_acknowledged_one(history: History) -> None:
    """With the position that the answer names."""
    settings = {"channels": {"history_size": 10, "history_ttl": 60.0}}
    async with Tidings(settings=settings) as hub:
        publish = Recorder(history).publisher(hub.publish, name="shop")
        accepted = await publish("news", stamped("p-1", n=1))
    invoked, ok = history
    assert invoked == PublishInvoked(0.0, "p-1", "news", "shop", '{"id":"p-1","n":1}')
    assert ok == PublishOk(0.0, "p-1", position_of(accepted))
    assert ok.position is not None
    assert ok.position.offset == 1


@pytest.mark.parametrize(
    ("error", "record"),
    [
        (PermissionDenied(), PublishFailed(0.0, "p-1", temporary=False)),
        (BrokerUnavailable(), PublishFailed(0.0, "p-1", temporary=True)),
        (BrokerUnavailable("outcome unknown: the broker did not answer"), PublishUnknown(0.0, "p-1")),
        (TimeoutError(), PublishUnknown(0.0, "p-1")),
        (ConnectionResetError(), PublishUnknown(0.0, "p-1")),
        (asyncio.CancelledError(), PublishUnknown(0.0, "p-1")),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_one_that_raises(history: History, error: BaseException, record: object) -> None:
    """The exception passes through, and says what may be concluded."""

    async def publish(channel: str, data: object) -> None:
        raise error

    with pytest.raises(type(error)):
        await Recorder(history).publisher(publish)("news", stamped("p-1"))
    assert list(history)[1:] == [record]


async def test_judging_otherwise(history: History) -> None:
    """A client library has exceptions of its own."""

    async def publish(channel: str, data: object) -> None:
        raise KeyError("refused")

    recorder = Recorder(history, judge=lambda error: Failure.REFUSED)
    with pytest.raises(KeyError):
        await recorder.publisher(publish)("news", stamped("p-1"))
    assert list(history)[1:] == [PublishFailed(0.0, "p-1")]


async def test_a_payload_without_an_id_is_not_published(history: History) -> None:
    async def publish(channel: str, data: object) -> None:
        raise AssertionError("unreachable")

    with pytest.raises(ValueError, match=r"publish stamped\(\.\.\.\), and not \{'n': 1\}"):
        await Recorder(history).publisher(publish)("news", {"n": 1})
    assert len(history) == 0


async def test_a_fault(history: History) -> None:
    Recorder(history).fault("kill", "redis")
    assert list(history) == [FaultInjected(0.0, "kill", "redis")]


@pytest.mark.parametrize(
    ("result", "position"),
    [
        (StreamPosition(3, "e"), StreamPosition(3, "e")),
        (SimpleNamespace(position=StreamPosition(3, "e")), StreamPosition(3, "e")),
        ({"offset": 3, "epoch": "e"}, StreamPosition(3, "e")),
        ({"result": {"offset": 3, "epoch": "e"}}, StreamPosition(3, "e")),
        ({"result": None}, None),
        ({}, None),
        (StreamPosition(), None),
        (None, None),
        (TidingsError(), None),
    ],
)
def test_the_position_in_a_result(result: object, position: StreamPosition | None) -> None:
    """Of Tidings, of the HTTP API, and of calls that name none."""
    assert position_of(result) == position
