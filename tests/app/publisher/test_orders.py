"""The queue between callers and the publisher's thread."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from concurrent.futures import Future

import pytest

from tidings.app.publisher.orders import ORDER_BYTES, Counts, Order, Orders, not_sent, when_settled
from tidings.errors import BadRequest, TidingsError
from tidings.model import StreamPosition

pytestmark = pytest.mark.core

HERE = [StreamPosition(1, "e")]


def order(data: bytes = b"1", *, timeout: float = 60.0, channels: tuple[str, ...] = ("a",)) -> Order:
    deadline = time.monotonic() + timeout
    is_broadcast = len(channels) > 1
    return Order(channels, data, {}, "", False, is_broadcast, timeout, deadline, threading.get_ident())


def take(orders: Orders, count: int = 100, size_bytes: int = 10**6) -> list[Order]:
    return asyncio.run(orders.take(count, size_bytes))


def test_first_come_first_served() -> None:
    """What is taken is under way until it is settled, and counts as long."""
    orders = Orders(10, 10**6)
    first, second = order(), order()
    assert orders.put(first) is orders.put(second) is None
    assert orders.counts() == Counts(waiting=2, under_way=0)
    assert take(orders) == [first, second]
    assert orders.counts() == Counts(waiting=0, under_way=2)
    first.settle(HERE)
    second.settle(BadRequest())
    assert orders.counts() == Counts(0, 0)
    assert first.future.result() == HERE[0]
    assert isinstance(second.future.exception(), BadRequest)


def test_a_broadcast_has_a_position_for_each_channel() -> None:
    several = order(channels=("a", "b"))
    several.settle(HERE * 2)
    assert several.future.result() == HERE * 2


def test_as_many_and_as_much_as_wanted() -> None:
    orders = Orders(10, 10**6)
    for size in (10, 10, 5000, 10):
        orders.put(order(b"x" * size))
    assert [len(each.data) for each in take(orders, 100, 1000)] == [10, 10]
    assert [len(each.data) for each in take(orders, 100, 1000)] == [5000], "one that is larger goes alone"
    assert [len(each.data) for each in take(orders, 1)] == [10]


@pytest.mark.parametrize("limits", [(2, 10**6), (100, 2 * (2 + ORDER_BYTES))])
def test_no_room(limits: tuple[int, int]) -> None:
    """Whoever comes then is told when to try again, in the order of coming; giving up is the next one's luck."""
    orders = Orders(*limits)
    first = order()
    orders.put(first)
    orders.put(order())
    rooms = [orders.put(order()) for _ in range(3)]
    assert all(isinstance(room, Future) and not room.done() for room in rooms)
    one, two, three = (room for room in rooms if room is not None)
    orders.give_up(one)
    take(orders)
    first.settle(HERE)
    assert (two.done(), three.done()) == (True, False)
    orders.give_up(two)  # too late for itself: it was called already
    assert three.done()


def test_who_gives_up_is_forgotten() -> None:
    """Though there is no room for long, so that nobody comes to look who still waits."""
    orders = Orders(1, 10**6)
    orders.put(order())
    room = orders.put(order())
    assert room is not None
    forgotten = weakref.ref(room)
    orders.give_up(room)
    del room
    gc.collect()
    assert forgotten() is None


def test_one_that_is_larger_than_the_queue_waits_until_it_is_empty() -> None:
    orders = Orders(10, 1000)
    small, large = order(), order(b"x" * 5000)
    orders.put(small)
    room = orders.put(large)
    assert room is not None
    take(orders)
    small.settle(HERE)
    assert room.done() and orders.put(large) is None


def test_what_waits_can_be_withdrawn() -> None:
    """By its caller or through its future; under way it cannot."""
    orders = Orders(10, 10**6)
    by_caller, by_future, under_way = order(), order(), order()
    for each in (by_caller, by_future, under_way):
        orders.put(each)
    assert orders.withdraw(by_caller) and not orders.withdraw(by_caller)
    by_caller.settle(not_sent(by_caller))
    assert by_future.future.cancel()
    assert take(orders) == [under_way]
    assert not orders.withdraw(under_way) and not under_way.future.cancel()
    assert orders.unsettled() == [under_way]


def test_what_is_late_is_not_sent() -> None:
    orders = Orders(10, 10**6)
    late, punctual = order(timeout=0.0), order()
    orders.put(late)
    orders.put(punctual)
    assert take(orders) == [punctual]
    error = late.future.exception()
    assert isinstance(error, TidingsError) and error.temporary
    assert error.message == "not published within 0 s"


def test_the_first_verdict_stays() -> None:
    """Its caller has been told."""
    told = order()
    told.settle(BadRequest("first"))
    told.settle(HERE)
    assert isinstance(told.future.exception(), BadRequest)


def test_a_closed_queue() -> None:
    """Takes nothing more, and whoever waits for room hears so."""
    orders = Orders(1, 10**6)
    orders.put(order())
    room = orders.put(order())
    orders.close(TidingsError("closed"))
    assert room is not None and room.done()
    with pytest.raises(TidingsError, match="closed"):
        orders.put(order())
    assert len(take(orders)) == 1, "what was accepted is published"


def test_when_all_are_settled() -> None:
    pair = [order(), order()]
    settled = when_settled(pair)
    pair[0].settle(HERE)
    assert not settled.done()
    pair[1].future.cancel()
    assert settled.done() and when_settled([]).done()


def test_a_taker_whose_loop_has_ended() -> None:
    """It cannot be woken, which is no fault of the caller's: whoever ended the loop settles what is left."""
    orders = Orders(10, 10**6)

    async def scene() -> None:
        asyncio.create_task(orders.take(10, 10**6)).add_done_callback(asyncio.Task.cancelled)
        await asyncio.sleep(0)

    asyncio.run(scene())
    late = order()
    assert orders.put(late) is None
    assert orders.unsettled() == [late]


def test_a_taker_that_sleeps_is_woken() -> None:
    async def scene() -> list[Order]:
        orders = Orders(10, 10**6)
        taking = asyncio.create_task(orders.take(10, 10**6))
        await asyncio.sleep(0)
        await asyncio.to_thread(orders.put, order(b"late"))
        return await taking

    assert [each.data for each in asyncio.run(scene())] == [b"late"]
