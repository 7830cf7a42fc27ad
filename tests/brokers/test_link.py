"""A link: a line that comes back, governed by a breaker, to a port of this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.brokers.redis.peer import PATIENCE, Peer, Place, command

from tidings.balancer.breaker import Breaker
from tidings.brokers.keepalive import keep_alive
from tidings.brokers.link import LineLost, Link, OnLost, Vigilance
from tidings.brokers.redis.line import Line, Push, ReplyError

pytestmark = pytest.mark.shell

HELLO, PING = command(b"HELLO"), command(b"PING")
QUICK = Vigilance(connect_timeout=0.3, resume_timeout=0.3, silence=0.3, probe_interval=0.2, look_interval=0.02)
TURN = 0.005


class Visits:
    """Opens lines to a place, and counts the attempts."""

    def __init__(self, place: Place) -> None:
        self._port = place.port
        self.times: list[float] = []
        self.pushes: list[Push] = []

    async def open_line(self, on_lost: OnLost) -> Line:
        loop = asyncio.get_running_loop()
        self.times.append(loop.time())
        _, line = await loop.create_connection(lambda: Line(self.pushes.append, on_lost), "127.0.0.1", self._port)
        return line

    def link(self, *, pause: float = 0.01, **options: Any) -> Link[Line]:
        """A link whose pauses are all of this length."""
        breaker = Breaker(base=pause, cap=pause, draw=lambda: 0.99)
        return Link("test", self.open_line, breaker=breaker, **options)


@pytest.fixture
def place() -> Any:
    with Place() as place:
        yield place


@pytest.fixture
def visits(place: Place) -> Visits:
    return Visits(place)


@asynccontextmanager
async def running(link: Link[Line]) -> AsyncIterator[Link[Line]]:
    link.start()
    try:
        yield link
    finally:
        await link.stop("the test is over")


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await asyncio.sleep(TURN)


async def up(link: Link[Line]) -> Line:
    """The line, as soon as it is there."""
    async with asyncio.timeout(PATIENCE):
        return await link.wait()


async def hello(line: Line) -> None:
    await line.call(b"HELLO")


# Up.


async def test_it_connects(place: Place, visits: Visits):
    """And says what it is about."""
    link = visits.link()
    assert (repr(link), link.line) == ("<Link test: not connected yet>", None)
    async with running(link):
        line = await up(link)
        peer = await place.visitor()
        assert (link.line, link.reason, repr(link)) == (line, "", "<Link test: up>")
        reply = line.call(b"PING")
        await peer.hears(PING)
        await peer.says(b"+PONG\r\n>1\r\n+news\r\n")
        assert await reply == b"PONG"
        await until(lambda: visits.pushes == [[b"news"]])


async def test_starting_again_is_harmless(place: Place, visits: Visits):
    async with running(visits.link()) as link:
        link.start()
        await up(link)
        link.start()
        assert len(visits.times) == 1


async def test_nobody_uses_a_line_before_it_is_prepared(place: Place, visits: Visits):
    """What `on_up` says comes first; whoever waits goes on in order."""
    async with running(visits.link(on_up=hello)) as link:

        async def say(number: int) -> None:
            (await up(link)).call(b"ECHO", number).cancel()

        waiting = [asyncio.create_task(say(number)) for number in range(5)]
        peer = await place.visitor()
        await peer.hears(HELLO)
        assert link.line is None
        assert peer.hears_nothing()
        await peer.says(b"+OK\r\n")
        await peer.hears(*(command(b"ECHO", b"%d" % number) for number in range(5)))
        await asyncio.gather(*waiting)


# Down, and up again.


async def test_it_comes_back(place: Place, visits: Visits):
    """With another line; the reason says why there was none."""
    async with running(visits.link(on_up=hello)) as link:
        lines = []
        for _ in range(3):
            peer = await place.visitor()
            await peer.hears(HELLO)
            await peer.says(b"+OK\r\n")
            lines.append(await up(link))
            peer.close()
            await until(lambda: link.line is None)
            assert link.reason == "the server closed the connection"
        assert len(set(map(id, lines))) == 3


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
async def test_calls_under_way_end_with_the_line(place: Place, visits: Visits, end: Callable[[Peer], None]):
    """However it ends; those who wait for the next line do not notice."""
    async with running(visits.link()) as link:
        reply = (await up(link)).call(b"PING")
        peer = await place.visitor()
        await peer.hears(PING)
        end(peer)
        with pytest.raises(LineLost) as error:
            await reply
        assert error.value.sent is True
        assert link.line is None, "whoever tries again would get the line that was lost"
        again = (await up(link)).call(b"PING")
        peer = await place.visitor()
        await peer.hears(PING)
        await peer.says(b"+PONG\r\n")
        assert await again == b"PONG"


async def test_a_refused_introduction_is_tried_again(place: Place, visits: Visits):
    """The reason is the server's; the connection of the attempt is closed."""
    async with running(visits.link(on_up=hello)) as link:
        peer = await place.visitor()
        await peer.hears(HELLO)
        await peer.says(b"-WRONGPASS invalid password\r\n")
        await peer.hears_the_end()
        assert link.reason == "WRONGPASS invalid password"
        peer = await place.visitor()
        await peer.hears(HELLO)
        await peer.says(b"+OK\r\n")
        await up(link)
        assert link.reason == ""


async def test_a_line_that_is_lost_while_it_is_prepared(place: Place, visits: Visits):
    """The next one may be better."""
    async with running(visits.link(on_up=hello)) as link:
        (await place.visitor()).close()
        peer = await place.visitor()
        await peer.hears(HELLO)
        await peer.says(b"+OK\r\n")
        await up(link)


@pytest.mark.parametrize("error", [OSError("nobody is there"), LineLost("gone", sent=True), ReplyError("ERR no")])
async def test_whatever_an_attempt_raises_is_the_reason(place: Place, error: Exception):
    async def fail(on_lost: object) -> Line:
        raise error

    async with running(Link("test", fail, breaker=Breaker(base=0.01, cap=0.01))) as link:
        await until(lambda: link.reason == str(error))
        assert link.line is None


# The breaker.


async def test_attempts_keep_to_the_breakers_pauses(place: Place, visits: Visits):
    place.shut()
    async with running(visits.link(pause=0.05)) as link:
        await until(lambda: len(visits.times) == 5)
        pauses = [later - earlier for earlier, later in zip(visits.times, visits.times[1:], strict=False)]
        # The loop's timers are exact to a millisecond.
        assert min(pauses) >= 0.0495 - 0.002
        assert "refused" in link.reason


async def test_a_line_that_was_up_is_tried_again_after_a_pause(place: Place, visits: Visits):
    """Whoever else has lost this server has lost it at the same moment."""
    async with running(visits.link(pause=1000.0)) as link:
        (await place.visitor()).close()
        await until(lambda: link.line is None and link.reason)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(link.wait(), 0.05)
        assert len(visits.times) == 1


async def test_the_pause_after_a_success_is_the_shortest_again(place: Place, visits: Visits):
    """The breaker was closed by its success."""
    async with running(visits.link(pause=0.01)):
        for _ in range(3):
            (await place.visitor()).close()
        await place.visitor()


async def test_whoever_waits_while_the_circuit_is_open_may_give_up(place: Place, visits: Visits):
    place.shut()
    async with running(visits.link(pause=1000.0)) as link:
        await until(lambda: "refused" in link.reason)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(link.wait(), 0.05)
        assert len(visits.times) == 1


# The end.


async def end_of(work: Awaitable[object]) -> LineLost:
    with pytest.raises(LineLost) as error:
        await asyncio.wait_for(work, PATIENCE)
    return error.value


async def test_stopping_ends_the_line_and_its_calls(place: Place, visits: Visits):
    """And every later wait."""
    link = visits.link()
    link.start()
    reply = (await up(link)).call(b"PING")
    peer = await place.visitor()
    await peer.hears(PING)
    await link.stop("enough")
    error = await end_of(reply)
    assert (error.reason, error.sent) == ("enough", True)
    assert (link.line, link.reason) == (None, "enough")
    await peer.hears_the_end()
    error = await end_of(link.wait())
    assert (error.reason, error.sent) == ("enough", False)
    await link.stop("enough")


async def test_stopping_while_somebody_waits_for_the_breaker(place: Place, visits: Visits):
    place.shut()
    link = visits.link(pause=1000.0)
    link.start()
    waiting = [asyncio.create_task(link.wait()) for _ in range(3)]
    await until(lambda: "refused" in link.reason)
    await link.stop("enough")
    for task in waiting:
        error = await end_of(task)
        assert (error.reason, error.sent) == ("enough", False)


async def test_stopping_in_the_middle_of_an_introduction(place: Place, visits: Visits):
    """Nothing is left of it."""
    link = visits.link(on_up=hello)
    link.start()
    waiting = asyncio.create_task(link.wait())
    peer = await place.visitor()
    await peer.hears(HELLO)
    await link.stop("enough")
    assert (await end_of(waiting)).reason == "enough"
    await peer.hears_the_end()


async def test_stopping_what_was_never_started(visits: Visits):
    link = visits.link()
    await link.stop("enough")
    assert (await end_of(link.wait())).reason == "enough"


# Silence.


async def test_a_server_that_accepts_and_says_nothing(place: Place, visits: Visits):
    """The attempt has an end."""
    async with running(visits.link(on_up=hello, vigilance=QUICK)) as link:
        peer = await place.visitor()
        await peer.hears_the_end()
        assert link.reason == "no answer within 0.3 s"


async def test_a_due_reply_that_does_not_come(place: Place, visits: Visits):
    """A line on which nothing is heard is given up, and there is another."""
    async with running(visits.link(vigilance=QUICK)) as link:
        reply = (await up(link)).call(b"PING")
        peer = await place.visitor()
        error = await end_of(reply)
        assert (error.reason, error.sent) == ("the server did not answer within 0.3 s", True)
        await peer.hears_the_end()
        await up(link)
        await place.visitor()


async def test_an_idle_line_is_probed(place: Place, visits: Visits):
    """Who answers keeps the line; who does not, has lost it: a half-open connection looks like a quiet one."""
    async with running(visits.link(vigilance=QUICK)) as link:
        line = await up(link)
        peer = await place.visitor()
        for _ in range(3):
            await peer.hears(PING)
            await peer.says(b"+PONG\r\n")
        assert link.line is line
        await peer.hears(PING)
        await peer.hears_the_end()
        await until(lambda: link.line is not line)


async def test_a_line_with_signs_of_life_is_kept(place: Place, visits: Visits):
    """Messages are such signs, though the reply takes long."""
    async with running(visits.link(vigilance=QUICK)) as link:
        line = await up(link)
        peer = await place.visitor()
        reply = line.call(b"PING")
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 3 * QUICK.silence:
            await peer.says(b">1\r\n+news\r\n")
            await asyncio.sleep(TURN)
        await peer.says(b"+PONG\r\n")
        assert await reply == b"PONG"
        assert link.line is line


async def test_the_kernel_is_asked_to_find_out_too(place: Place):
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", place.port)
    connection = transport.get_extra_info("socket")
    keep_alive(connection)
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    if hasattr(socket, "TCP_KEEPIDLE"):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
    transport.abort()
