"""A crowd against a small server in the same loop, and a thousand against a server in its own process."""

from __future__ import annotations

import asyncio
import http
import json
import time
from collections.abc import Iterator

import pytest
from tests.testing.clients.server import echo, serving
from tests.world.backend import Backend, token
from tests.world.settings import SETTINGS
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tidings.testing.clients import CentrifugeScript, CrowdError, Frame, ManyClients, PlainScript
from tidings.testing.clients.crowd.limits import shortage
from tidings.testing.services import TidingsNode

SHORT = 0.03


class Room:
    """A handler that lets a test speak to all who are there."""

    def __init__(self) -> None:
        self.there: list[ServerConnection] = []

    async def __call__(self, connection: ServerConnection) -> None:
        self.there.append(connection)
        await connection.wait_closed()

    async def say(self, *messages: object) -> None:
        for connection in self.there:
            for message in messages:
                await connection.send(message if isinstance(message, str) else json.dumps(message))


class Late(CentrifugeScript):
    """Understands the Centrifuge protocol, and asks for nothing at the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = 0

    def greeting(self, number: int) -> bytes:
        return b""


@pytest.mark.shell
@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
class TestCrowd:
    async def test_all_open_and_hear(self) -> None:
        room = Room()
        async with serving(room) as url, ManyClients(50, url, concurrency=7) as crowd:
            assert crowd.ready == len(crowd) == len(crowd.opening_latencies) == 50
            await room.say("a", "b")
            await crowd.wait_all(2)
            assert crowd.received == 100
            assert crowd.failures == []
            assert all(member.state == "open" for member in crowd)
        assert crowd.closes == {1000: 50}
        assert crowd.failures == []

    async def test_a_crowd_of_nobody_proves_nothing(self) -> None:
        """Neither one that is empty, nor one that nobody opens, nor one of which all were refused."""
        for count, concurrency in ((0, 100), (-1, 100), (3, 0)):
            with pytest.raises(ValueError, match="a crowd is of 1 client at least and opens 1 at a time"):
                ManyClients(count, "ws://127.0.0.1:9/", concurrency=concurrency)
        async with ManyClients(3, "ws://127.0.0.1:9/", may_fail=True) as crowd:
            with pytest.raises(CrowdError, match="None of 3 clients became ready"):
                await crowd.wait_all(1)

    async def test_a_crowd_opens_once(self) -> None:
        async with serving(echo) as url:
            crowd = ManyClients(2, url)
            async with crowd:
                pass
            with pytest.raises(CrowdError, match="make another ManyClients"):
                await crowd.open()

    async def test_one_waits_for_a_crowd_at_a_time(self) -> None:
        async with serving(echo) as url, ManyClients(2, url) as crowd:
            first = asyncio.create_task(crowd.wait_all(1))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="is waited for already"):
                await crowd.wait_all(1)
            crowd.send(None)
            await first

    async def test_an_error_that_is_answered_later_refuses_nobody(self) -> None:
        """It is the answer to what the test has let everybody say."""
        async with serving(echo) as url, ManyClients(2, url, script=Late()) as crowd:
            crowd.send({"id": 7, "error": {"code": 108, "message": "not available"}})
            crowd.send({"push": {"channel": "news", "pub": {"data": 1}}})
            await crowd.wait_all(1)
            assert crowd.ready == 2

    async def test_each_says_its_greeting(self) -> None:
        """The answers to it are not counted; what a test lets them say later is."""
        script = PlainScript(lambda number: [{"user": number}], answers=1)
        heard: list[tuple[int, Frame]] = []
        async with (
            serving(echo) as url,
            ManyClients(5, url, script=script, on_frame=lambda number, frame: heard.append((number, frame))) as crowd,
        ):
            assert crowd.received == 0
            assert sorted((number, frame.content) for number, frame in heard) == [
                (number, f'{{"user":{number}}}') for number in range(5)
            ]
            crowd.send("all")
            crowd[3].send({"only": 3})
            await crowd.wait_all(1)
            async with asyncio.timeout(5.0):
                while crowd[3].received < 2:
                    await asyncio.sleep(0)

    async def test_order_and_time_are_looked_at(self) -> None:
        """One twice, one too late, two never."""
        room = Room()
        script = PlainScript(order="n", stamp="t")
        async with serving(room) as url, ManyClients(3, url, script=script) as crowd:
            now = time.monotonic()
            await room.say(*({"n": place, "t": now} for place in (1, 2, 2, 6, 3)))
            await crowd.wait_all(5)
            assert [(member.violations, member.missed) for member in crowd] == [(2, 3)] * 3
            assert (crowd.violations, crowd.missed) == (6, 9)
            assert len(crowd.latencies) == 15
            assert 0 <= min(crowd.latencies) <= max(crowd.latencies) < 10

    async def test_who_is_behind_is_named(self) -> None:
        room = Room()
        async with serving(room) as url, ManyClients(20, url) as crowd:
            await room.say("a")
            await crowd.wait_all(1)
            with pytest.raises(CrowdError) as failure:
                await crowd.wait_all(2, timeout=SHORT)
        lines = str(failure.value).splitlines()
        assert lines[0] == f"20 of 20 clients have not received 2 messages, not within {SHORT} s:"
        assert lines[1] == "  #0: 1, open"
        assert lines[-1] == "  … and 10 more"

    async def test_the_end_of_all_is_waited_for(self) -> None:
        """And who is there still is named."""
        room = Room()
        async with serving(room) as url, ManyClients(3, url) as crowd:
            await room.there[0].close(4001, "enough")
            with pytest.raises(CrowdError, match=rf"2 of 3 clients were not closed within {SHORT} s:\n  #\d: open\n"):
                await crowd.wait_closed(timeout=SHORT)
            for connection in room.there[1:]:
                await connection.close(4002)
            assert await crowd.wait_closed() == {4001: 1, 4002: 2}
            assert await crowd.wait_closed() == crowd.closes

    async def test_a_wait_ends_when_somebody_is_gone(self) -> None:
        room = Room()
        async with serving(room) as url, ManyClients(3, url) as crowd:
            waiting = asyncio.create_task(crowd.wait_all(1, timeout=60.0))
            await asyncio.sleep(0)
            await room.there[0].close(4001, "enough")
            with pytest.raises(CrowdError, match=r"1 were closed before:\n.*closed 4001 enough"):
                await waiting
            assert [failure.reason for failure in crowd.failures] == ["was closed (4001 enough)"]
            assert crowd.closes == {4001: 1}
            with pytest.raises(CrowdError):
                await crowd.wait_all(1, timeout=60.0)

    async def test_pings_are_answered(self) -> None:
        async def ping(connection: ServerConnection) -> None:
            await (await connection.ping(b"there?"))
            await connection.send("thanks")
            await connection.wait_closed()

        async with serving(ping) as url, ManyClients(3, url) as crowd:
            await crowd.wait_all(1)
            assert [member.pings for member in crowd] == [1, 1, 1]

    async def test_large_messages(self) -> None:
        room = Room()
        async with serving(room) as url, ManyClients(3, url) as crowd:
            await room.say("x" * 200_000)
            await crowd.wait_all(1)

    async def test_a_refusal_is_a_failure(self) -> None:
        """Of all, unless the test wants to count them."""

        def refuse(connection: ServerConnection, request: Request) -> Response | None:
            refused.append(len(refused) % 2 == 0)
            return connection.respond(http.HTTPStatus.FORBIDDEN, "") if refused[-1] else None

        refused: list[bool] = []
        async with serving(echo, process_request=refuse) as url:
            with pytest.raises(CrowdError, match=r"2 of 4 clients .*\n  #.: the handshake was answered"):
                await ManyClients(4, url).open()
            async with ManyClients(4, url, may_fail=True) as crowd:
                assert crowd.ready == len(crowd.failures) == 2
                crowd.send("hello")
                await crowd.wait_all(1)

    async def test_nobody_listens(self) -> None:
        async with serving(echo) as url:
            pass
        with pytest.raises(CrowdError, match="3 of 3 clients did not become ready"):
            await ManyClients(3, url).open()

    async def test_no_answer_in_time(self) -> None:
        async with serving(Room()) as url:
            crowd = ManyClients(3, url, script=PlainScript(["hello"], answers=1), patience=SHORT)
            with pytest.raises(CrowdError, match=f"#.: was not ready within {SHORT} s"):
                await crowd.open()


@pytest.mark.core
def test_an_address_that_is_none() -> None:
    with pytest.raises(ValueError, match="has to be like ws://"):
        ManyClients(1, "127.0.0.1:8000")


@pytest.mark.core
def test_too_many_for_this_process() -> None:
    """It says what to do. Nobody may have as many files as this."""
    assert "run `ulimit -n 9" in shortage(9 * 10**18 // 10**6 * 10**6)
    assert shortage(1) == ""


@pytest.fixture(scope="module")
def node() -> Iterator[TidingsNode]:
    with TidingsNode(SETTINGS) as node:
        yield node


@pytest.mark.world
@pytest.mark.L3
@pytest.mark.usefixtures("many_files")
class TestThousand:
    async def test_a_thousand_hear_everything_in_order(self, node: TidingsNode) -> None:
        tokens = [token(str(number)) for number in range(1000)]
        script = CentrifugeScript("kept:crowd", "plain:crowd", token=tokens.__getitem__, stamp="sent")
        async with ManyClients(1000, node.websocket, script=script) as crowd:
            assert crowd.ready == 1000
            with Backend(node.url) as backend:
                for number in range(10):
                    data = {"number": number, "sent": time.monotonic()}
                    await asyncio.to_thread(backend.publish, "kept:crowd", data)
            await crowd.wait_all(10)
            assert (crowd.received, crowd.violations, crowd.missed, crowd.failures) == (10_000, 0, 0, [])
            assert len(crowd.latencies) == 10_000
            assert len(crowd.opening_latencies) == 1000
        assert crowd.closes == {1000: 1000}

    async def test_the_servers_end_of_connections_is_counted(self, node: TidingsNode) -> None:
        async with ManyClients(5, node.websocket, script=CentrifugeScript(token=token("guest"))) as crowd:
            with Backend(node.url) as backend:
                await asyncio.to_thread(backend.disconnect, "guest", 4500, "enough")
            with pytest.raises(CrowdError, match=r"closed 4500 enough"):
                await crowd.wait_all(1)
            async with asyncio.timeout(5.0):
                while crowd.closes != {4500: 5}:
                    await asyncio.sleep(0)

    async def test_a_refused_subscription_is_named(self, node: TidingsNode) -> None:
        script = CentrifugeScript("shut:crowd", token=token("42"))
        with pytest.raises(CrowdError, match="#0: error 103: permission denied"):
            await ManyClients(3, node.websocket, script=script).open()

    async def test_pings_of_the_protocol_are_answered(self) -> None:
        settings = {**SETTINGS, "client": {"ping_interval": 0.4, "pong_timeout": 0.2}}
        with TidingsNode(settings) as node:
            script = CentrifugeScript(token=token("42"))
            async with ManyClients(5, node.websocket, script=script) as crowd, asyncio.timeout(10.0):
                while min(member.pings for member in crowd) < 3:
                    await asyncio.sleep(0.01)
                assert crowd.ready == 5
