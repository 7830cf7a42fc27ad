"""Over HTTP: what gathers, what is repeated, and what is not, with a server that does as the test wants."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from tests.app.publisher.answering import CUT, PATIENCE, Answer, Answering

from tidings import Publisher, TidingsError
from tidings.app.publisher.carrier import BATCH
from tidings.app.publisher.front import Statistics
from tidings.app.publisher.http import settle
from tidings.app.publisher.orders import Order
from tidings.errors import BadRequest, InternalError, LimitExceeded, TooManyRequests, Unauthorized
from tidings.model import StreamPosition
from tidings.testing import TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]


GZIP = {"content-encoding": "gzip"}


def to(server: Answering, *, timeout: float = 10.0, **arguments: int) -> Publisher:
    return Publisher(server.url, key="k", timeout=timeout, **arguments)


def an_order(thread: int) -> Order:
    return Order(("news",), b"1", {}, "", False, False, 1.0, time.monotonic() + 1.0, thread)


def failure(call: Callable[[], object]) -> TidingsError:
    with pytest.raises(TidingsError) as caught:
        call()
    return caught.value


# Gathering.


def test_what_comes_during_a_request_goes_as_the_next_one() -> None:
    """In the order of the calls. The first one waited for nobody."""
    with Answering() as server, to(server) as publisher:
        server.gate.clear()
        publisher.publish_soon("a", 0)
        assert server.asked.acquire(timeout=PATIENCE)
        for number in range(1, 50):
            publisher.publish_soon("a", number)
        server.gate.set()
        publisher.flush()
        assert server.data() == [[0], list(range(1, 50))]


def test_a_request_is_bounded() -> None:
    """In number and in bytes."""
    with Answering() as server, to(server) as publisher:
        server.gate.clear()
        publisher.publish_soon("a", 0)
        assert server.asked.acquire(timeout=PATIENCE)
        for number in range(BATCH + 1):
            publisher.publish_soon("a", number)
        for _ in range(3):
            publisher.publish_soon("a", "x" * 200_000)
        server.gate.set()
        publisher.flush()
        assert [len(commands) for commands in server.requests] == [1, BATCH, 3, 1]


# Repeating.


def test_a_server_that_is_not_there_yet() -> None:
    """Nothing was sent, so it is tried until it is there."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with Publisher(f"http://127.0.0.1:{port}", timeout=15) as publisher:
        future = publisher.publish_soon("a", 1)
        failed = failure(lambda: publisher.publish("a", 2, timeout=0.2))
        assert failed.temporary
        assert failed.message.startswith("not published within 0.2 s")
        assert not future.done()
        publisher.close(timeout=0)


def test_nobody_is_there() -> None:
    """The call ends in time, and says why."""
    with Publisher("http://127.0.0.1:1", timeout=0.3) as publisher:
        failed = failure(lambda: publisher.publish("a", 1))
    assert failed.temporary
    assert failed.message.startswith("not published within 0.3 s: no connection to http://127.0.0.1:1: ")


@pytest.mark.parametrize("broken", [CUT, Answer(502, b"<html>"), Answer(503)])
def test_an_unknown_outcome(broken: Answer) -> None:
    """Is not repeated, and said. With a key it is repeated, since the server recognises it."""
    with Answering(broken, broken) as server, to(server) as publisher:
        failed = failure(lambda: publisher.publish("a", 1))
        assert failed.temporary
        assert failed.message.startswith("outcome unknown: ")
        assert publisher.publish("a", 2, idempotency_key="once") == StreamPosition()
        assert server.data() == [[1], [2], [2]]


LONG = b"x" * 200_000
"""More than a server has to say about a publication."""


@pytest.mark.parametrize(
    ("strange", "why"),
    [(Answer(200, LONG), "the answer is longer than"), (Answer(200, b"{}", GZIP), "the answer is compressed")],
)
def test_an_answer_that_is_not_read(strange: Answer, why: str) -> None:
    """Whatever a server says, it fills no memory. With an idempotency key the order is repeated."""
    with Answering(strange, strange) as server, to(server) as publisher:
        error = failure(lambda: publisher.publish("a", 1))
        assert error.temporary
        assert error.message.startswith(f"outcome unknown: {server.url}: {why}")
        publisher.publish("a", 2, idempotency_key="k")
        assert server.data() == [[1], [2], [2]]


def test_a_long_page_of_a_proxy() -> None:
    """Its status says that nothing was done, and how to go on."""
    slow_down = Answer(429, LONG, {"retry-after": "0"})
    with Answering(slow_down, Answer(413, LONG), Answer(401, LONG, GZIP)) as server, to(server) as publisher:
        assert "publication as large" in failure(lambda: publisher.publish("a", 1)).message
        assert "does not accept this key" in failure(lambda: publisher.publish("a", 2)).message
        assert server.data() == [[1], [1], [2]]


def test_as_many_channels_as_one_likes() -> None:
    """How long an answer may be depends on what was asked."""
    channels = [f"channel-{number}" for number in range(5000)]
    responses = [{"result": {"offset": number, "epoch": "abcdef"}} for number in range(5000)]
    body = json.dumps({"replies": [{"broadcast": {"responses": responses}}]}).encode()
    with Answering(Answer(200, body)) as server, to(server) as publisher:
        assert [position.offset for position in publisher.broadcast(channels, 1)] == [*range(5000)]


def test_too_many_requests() -> None:
    """Nothing was done; the publisher comes back when the server says."""
    with Answering(Answer(429, headers={"Retry-After": "1"})) as server, to(server) as publisher:
        began = time.monotonic()
        publisher.publish("a", 1)
        assert time.monotonic() - began >= 1.0
        assert server.data() == [[1], [1]]


def test_too_many_requests_for_too_long() -> None:
    """Whoever has not as much time hears so at once."""
    with Answering(Answer(429, headers={"Retry-After": "60"})) as server, to(server) as publisher:
        failed = failure(lambda: publisher.publish("a", 1))
        assert isinstance(failed, TooManyRequests) and failed.temporary
        assert failed.message == "the server wants no more requests for 60 s"
        began = time.monotonic()
        assert isinstance(failure(lambda: publisher.publish("a", 2)), TooManyRequests), "and so do those who come later"
        assert time.monotonic() - began < PATIENCE / 2
        assert server.data() == [[1]], "and the server is left alone meanwhile"


def test_what_a_limit_keeps_back_out_of_several_comes_later() -> None:
    """In its order: of a server that takes five in a second, and counts every publication."""
    channels = {"history_size": 20, "history_ttl": 60.0}
    settings = {"api": {"key": "k"}, "limits": {"api_requests": "5/1s"}, "channels": channels}
    with TidingsNode(settings) as node, Publisher(node.url, key="k", timeout=PATIENCE) as publisher:
        futures = [publisher.publish_soon("news", number) for number in range(12)]
        assert [future.result(PATIENCE).offset for future in futures] == list(range(1, 13))


def test_what_a_limit_keeps_back_for_too_long() -> None:
    with TidingsNode({"api": {"key": "k"}, "limits": {"api_requests": "1/1m"}}) as node:
        with Publisher(node.url, key="k", timeout=1.0) as publisher:
            publisher.publish("news", 1)
            error = failure(lambda: publisher.publish("news", 2))
        assert isinstance(error, TooManyRequests)
        assert error.temporary


def test_nothing_overtakes_within_a_thread() -> None:
    """Where a later publication got through, an earlier one that did not is not sent after it."""
    limited = [TooManyRequests(), [StreamPosition(1)], TooManyRequests(), TooManyRequests()]
    orders = [an_order(thread) for thread in (1, 1, 1, 2)]
    assert settle(orders, limited) == orders[2:]
    assert isinstance(orders[0].future.exception(0), TooManyRequests)
    assert orders[1].future.result(0) == StreamPosition(1)


def test_a_body_that_somebody_finds_too_long() -> None:
    """Each goes alone then."""
    with Answering() as server, to(server) as publisher:
        server.gate.clear()
        publisher.publish_soon("a", 0)
        assert server.asked.acquire(timeout=PATIENCE)
        futures = [publisher.publish_soon("a", number) for number in (1, 2, 3)]
        server.script += [Answer(200, b'{"replies":[{"publish":{}}]}'), Answer(413), Answer(413)]
        server.gate.set()
        assert isinstance(failure(futures[0].result), BadRequest)
        assert futures[1].result() == futures[2].result() == StreamPosition()
        assert server.data() == [[0], [1, 2, 3], [1], [2], [3]]


def test_refusals() -> None:
    with Answering(Answer(401), Answer(404)) as server, to(server) as publisher:
        assert isinstance(failure(lambda: publisher.publish("a", 1)), Unauthorized)
        assert "/api/batch is not there" in failure(lambda: publisher.publish("a", 1)).message


def test_a_server_that_does_not_answer() -> None:
    """The call ends when its time is over, and nobody knows what became of it."""
    with Answering() as server, to(server) as publisher:
        server.gate.clear()
        began = time.monotonic()
        failed = failure(lambda: publisher.publish("a", 1, timeout=0.3))
        assert failed.message.startswith("outcome unknown: ")
        assert 0.3 <= time.monotonic() - began < 5.0
        server.gate.set()


# Bounds.


def test_a_full_queue() -> None:
    """Who waits, waits no longer than its time, and hears a temporary error; who does not wait hears it at once."""
    with Answering() as server, to(server, queue_limit=3) as publisher:
        server.gate.clear()
        futures = [publisher.publish_soon("a", number) for number in range(3)]
        assert server.asked.acquire(timeout=PATIENCE)
        full = failure(lambda: publisher.publish_soon("a", 3))
        assert isinstance(full, LimitExceeded) and full.temporary
        assert isinstance(failure(lambda: publisher.publish("a", 3, timeout=0.1)), LimitExceeded)
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(publisher.publish, "a", number) for number in range(4)]
            server.gate.set()
            assert [each.result() for each in [*futures, *waiting]] == [StreamPosition()] * 7
        assert publisher.statistics() == Statistics(published=7)


def test_late_and_cancelled_calls_are_not_sent() -> None:
    with Answering() as server, to(server) as publisher:
        server.gate.clear()
        first = publisher.publish_soon("a", 0)
        assert server.asked.acquire(timeout=PATIENCE)
        cancelled = publisher.publish_soon("a", 1)
        assert cancelled.cancel() and not first.cancel()
        assert failure(lambda: publisher.publish("a", 2, timeout=0.1)).message.startswith("not published within 0.1 s")
        server.gate.set()
        publisher.publish("a", 3)
        assert server.data() == [[0], [3]]
        assert publisher.statistics() == Statistics(published=2, failed=1)


# The end.


def test_closing_while_calls_wait() -> None:
    """It says what was not delivered, and those who wait hear whether it may have been."""
    with Answering() as server:
        publisher = to(server)
        server.gate.clear()
        under_way = publisher.publish_soon("a", 0)
        assert server.asked.acquire(timeout=PATIENCE)
        waiting = publisher.publish_soon("b", 1)
        with ThreadPoolExecutor(1) as pool:
            blocked = pool.submit(publisher.publish, "c", 2)
            while publisher.statistics().waiting < 2:
                time.sleep(0.01)
            undelivered = publisher.close(timeout=0.2)
            assert failure(blocked.result).temporary
        assert [(each.channels, each.data) for each in undelivered] == [(("a",), b"0"), (("b",), b"1"), (("c",), b"2")]
        assert failure(under_way.result).message == "outcome unknown: the publisher was closed"
        assert failure(waiting.result).message == "not published before the publisher was closed"
        assert failure(lambda: publisher.publish("a", 1)).message == "the publisher is closed"
        assert publisher.close() == []


def test_closing_what_was_never_used() -> None:
    with Publisher("http://127.0.0.1:1") as publisher:
        pass
    assert isinstance(failure(lambda: publisher.publish("a", 1)), TidingsError)
    assert not any(thread.name == "tidings publisher" for thread in threading.enumerate())


def test_a_publisher_that_nobody_has_any_more() -> None:
    """Publishes what it has accepted, and then its thread ends."""
    with Answering() as server:
        server.gate.clear()
        publisher = to(server)
        futures = [publisher.publish_soon("a", number) for number in range(3)]
        assert server.asked.acquire(timeout=PATIENCE)
        (thread,) = (thread for thread in threading.enumerate() if thread.name == "tidings publisher")
        del publisher
        server.gate.set()
        assert [future.result(PATIENCE) for future in futures] == [StreamPosition()] * 3
        futures.clear()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_flushing_takes_no_longer_than_it_may() -> None:
    with Answering() as server, to(server) as publisher:
        server.gate.clear()
        publisher.publish_soon("a", 0)
        late = failure(lambda: publisher.flush(timeout=0.1))
        assert isinstance(late, InternalError) and late.temporary
        server.gate.set()


def test_a_callback_that_would_wait_for_itself() -> None:
    """It raises instead, and may publish without waiting."""
    caught: Future[BaseException | None] = Future()
    with Answering() as server, to(server) as publisher:

        def call_back(future: Future[StreamPosition]) -> None:
            publisher.publish_soon("a", "from the callback")
            try:
                publisher.publish("a", "never")
            except RuntimeError as error:
                caught.set_result(error)

        publisher.publish_soon("a", 1).add_done_callback(call_back)
        assert "publish_soon() does not wait" in str(caught.result(PATIENCE))
        publisher.flush()
        assert server.data() == [[1], ["from the callback"]]


def test_what_nobody_looks_at_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with Answering(Answer(401)) as server, to(server) as publisher:
        publisher.publish_soon("a", 1)
        publisher.flush()
    assert [record.name for record in caplog.records if "A publication failed: 101" in record.message] == [
        "tidings.publisher"
    ]


def test_what_is_not_logged_at_once_is_logged_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """Failures are said once a second; those of the last second when the publisher is closed."""
    with Answering(*[Answer(401)] * 4) as server, to(server) as publisher:
        for _ in range(4):
            publisher.publish_soon("a", 1)
        publisher.flush()
        assert len([record for record in caplog.records if "A publication failed" in record.message]) == 1
    first, last = [record.message for record in caplog.records if "A publication failed" in record.message]
    assert last == f"{first} (2 more before it)"


def test_no_proxy_between_here_and_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on this machine is reached without the proxy that the environment names."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:1")
    with Answering() as server, to(server) as publisher:
        publisher.publish("a", 1)


def test_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is used for other machines, unless the publisher is not to trust the environment."""
    with Answering() as proxy:
        monkeypatch.setitem(os.environ, "http_proxy", proxy.url)
        with Publisher("http://tidings.invalid", timeout=10) as publisher:
            publisher.publish("a", 1)
        with Publisher("http://tidings.invalid", timeout=0.5, trust_env=False) as publisher:
            assert failure(lambda: publisher.publish("a", 2)).temporary
        assert proxy.data() == [[1]]
