"""A client of any WebSocket, against a server that knows nothing of Tidings."""

from __future__ import annotations

import asyncio
import http

import pytest
from tests.testing.clients.server import Ending, echo, serving, until
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tidings.testing.clients import ConversationError, Direction, Frame, PlainClient, UpgradeRefused

pytestmark = pytest.mark.shell

SHORT = 0.03
MEGABYTE = 2**20


@pytest.mark.parametrize("value", [{"a": [1, None]}, [], 7, None, "text"])
async def test_values_are_json(value: object) -> None:
    async with serving(echo) as url, PlainClient(url) as client:
        await client.send(value)
        assert await client.receive() == value


async def test_text_that_is_no_json_is_text() -> None:
    async with serving(echo) as url, PlainClient(url) as client:
        await client.send_text("Client #1 says: hello")
        assert await client.receive() == "Client #1 says: hello"


async def test_bytes_are_binary_messages() -> None:
    async with serving(echo) as url, PlainClient(url) as client:
        await client.send(b"\x00\xff")
        assert await client.receive() == b"\x00\xff"


async def test_without_json_text_stays_text() -> None:
    async with serving(echo) as url, PlainClient(url, json=False) as client:
        await client.send("42")
        assert await client.receive() == "42"
        with pytest.raises(TypeError, match="str or bytes, not dict"):
            await client.send({})


async def test_lines_can_be_messages() -> None:
    """Where a server puts several into one; an end of the last line is no message."""
    async with serving(echo) as url, PlainClient(url, lines=True) as client:
        for text in ('{"a":1}\n{"b":2}\nthree', "4\n", '"\u2028"'):
            await client.send_text(text)
        assert await client.collect(5) == [{"a": 1}, {"b": 2}, "three", 4, "\u2028"]
        await client.send(b"1\n2")
        assert await client.receive() == b"1\n2"


async def test_messages_keep_their_order() -> None:
    async with serving(echo) as url, PlainClient(url) as client:
        for number in range(500):
            await client.send(number)
        assert await client.collect(500) == list(range(500))


async def test_a_compressed_connection() -> None:
    async with serving(echo, compression="deflate") as url, PlainClient(url, compression=True) as client:
        await client.send("x" * 10_000)
        assert await client.receive() == "x" * 10_000


async def test_headers_and_subprotocols_are_offered() -> None:
    async def tell(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(connection.request.headers["X-Session"])

    options = {"subprotocols": ["chat.v2"]}
    async with (
        serving(tell, **options) as url,
        PlainClient(url, headers={"X-Session": "s1"}, subprotocols=["chat.v1", "chat.v2"]) as client,
    ):
        assert await client.receive() == "s1"
        assert client.subprotocol == "chat.v2"


async def test_a_timeout_shows_the_conversation() -> None:
    async with serving(echo) as url, PlainClient(url, name="ada") as client:
        await client.send({"join": "lobby"})
        await client.receive()
        with pytest.raises(ConversationError) as failure:
            await client.receive(timeout=SHORT)
    lines = str(failure.value).splitlines()
    assert lines[0] == f"Waited {SHORT} s for a message."
    assert lines[1] == f"The conversation with {url} by ada, times in seconds:"
    assert [line.split(maxsplit=1)[1] for line in lines[2:]] == [
        "· opened",
        '→ {"join":"lobby"}',
        '← {"join":"lobby"}',
    ]


async def test_nothing_is_expected_and_something_comes() -> None:
    async with serving(echo) as url, PlainClient(url) as client:
        await client.expect_nothing(within=SHORT)
        await client.send("surprise")
        with pytest.raises(ConversationError, match="and one came"):
            await client.expect_nothing(within=5.0)


async def test_every_frame_is_kept_with_its_time() -> None:
    """And an observer hears each at once."""
    heard: list[Frame] = []
    async with serving(echo) as url, PlainClient(url, on_frame=heard.append) as client:
        await client.send(1)
        await client.receive()
    assert [(frame.direction, frame.content) for frame in client.frames] == [
        (Direction.NOTED, "opened"),
        (Direction.SENT, 1),
        (Direction.RECEIVED, 1),
        (Direction.NOTED, "closes with 1000"),
        (Direction.NOTED, "closed 1000"),
    ]
    times = [frame.at for frame in client.frames]
    assert times[0] >= 0
    assert times == sorted(times)
    assert heard == client.frames


async def test_the_server_ends_the_connection() -> None:
    async def refuse(connection: ServerConnection) -> None:
        await connection.send("last words")
        await connection.close(4001, "enough")

    async with serving(refuse) as url, PlainClient(url) as client:
        assert await client.expect_closed() == (4001, "enough")
        assert not client.is_open
        assert await client.receive() == "last words"
        with pytest.raises(ConversationError, match=r"closed \(4001 enough\) while waiting for a message"):
            await client.receive()
        with pytest.raises(ConversationError, match="nothing can be sent"):
            await client.send("too late")


async def test_a_connection_that_goes_on_is_not_closed() -> None:
    async with serving(echo) as url, PlainClient(url) as client:
        with pytest.raises(ConversationError, match="for the end of the connection"):
            await client.expect_closed(timeout=SHORT)


async def test_the_client_ends_the_connection() -> None:
    """With a code and a reason of its own; doing it twice is harmless."""
    ending = Ending()
    async with serving(ending) as url, PlainClient(url) as client:
        await client.close(4002, "goodbye")
        await client.close()
        assert client.closing == (4002, "goodbye")
        await ending.came.wait()
    assert (ending.code, ending.reason) == (4002, "goodbye")


async def test_it_may_be_opened_again() -> None:
    async with serving(echo) as url, PlainClient(url) as client:
        client.drop()
        await client.expect_closed()
        await client.open()
        await client.send("again")
        assert await client.receive() == "again"


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
async def test_drop_is_a_reset() -> None:
    """No close frame: the server sees its connection reset, not ended in order."""
    ending = Ending()
    async with serving(ending) as url, PlainClient(url) as client:
        await until(lambda: ending.connection is not None)
        client.drop()
        assert await client.expect_closed() == (1006, "")
        await ending.came.wait()
    assert ending.code == 1006
    assert isinstance(ending.cause, ConnectionResetError)


class Flood:
    """A handler that sends far more than kernels hold back."""

    TOTAL = 64

    def __init__(self) -> None:
        self.sent = 0
        self.connection: ServerConnection | None = None
        self.go = asyncio.Event()

    async def __call__(self, connection: ServerConnection) -> None:
        self.connection = connection
        await self.go.wait()
        for number in range(self.TOTAL):
            await connection.send(bytes([number]) * MEGABYTE)
            self.sent += 1
        await connection.wait_closed()

    @property
    def is_stuck(self) -> bool:
        return self.connection is not None and self.connection.paused


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
async def test_a_stalled_client_does_not_read() -> None:
    """The server's writes wait, and nothing is lost: after `resume` all of it comes."""
    flood = Flood()
    async with serving(flood) as url, PlainClient(url) as client:
        client.stall()
        flood.go.set()
        await until(lambda: flood.is_stuck)
        before = flood.sent
        await client.expect_nothing(within=SHORT)
        assert flood.is_stuck
        assert flood.sent == before < Flood.TOTAL / 2
        client.resume()
        assert [data[0] for data in await client.collect(Flood.TOTAL)] == list(range(Flood.TOTAL))
        assert flood.sent == Flood.TOTAL


async def test_a_stalled_client_can_leave() -> None:
    """At once, although the server's half of the closing lies behind what it does not read."""
    flood = Flood()
    async with serving(flood) as url, PlainClient(url) as client:
        client.stall()
        flood.go.set()
        await until(lambda: flood.is_stuck)
    assert client.closing == (1006, "")


async def test_a_refused_upgrade_says_what_the_server_said() -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(http.HTTPStatus.FORBIDDEN, "not from there\n")

    async with serving(echo, process_request=refuse) as url:
        with pytest.raises(UpgradeRefused, match="answered 403 Forbidden: not from there") as failure:
            await PlainClient(url).open()
    assert failure.value.status == 403


async def test_nobody_listens() -> None:
    async with serving(echo) as url:
        pass
    with pytest.raises(UpgradeRefused, match=f"Nobody listens at {url}") as failure:
        await PlainClient(url).open()
    assert failure.value.status == 0


async def test_a_server_that_says_nothing() -> None:
    """Opening has a limit as every wait has."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(UpgradeRefused, match=f"did not answer within {SHORT} s"):
            await PlainClient(url, patience=SHORT).open()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "127.0.0.1:1"])
async def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(UpgradeRefused, match="is not the address of a WebSocket; it has to be like ws://"):
        await PlainClient(url).open()


async def test_a_client_that_was_never_opened() -> None:
    with pytest.raises(ConversationError, match="use it in `async with`"):
        await PlainClient("ws://127.0.0.1:1/").send("hello")


async def test_an_observer_that_fails_is_heard_of() -> None:
    """The test does not go on as if nothing had happened."""

    def observe(frame: Frame) -> None:
        if frame.direction is Direction.RECEIVED:
            raise ValueError("the observer does not like it")

    async with serving(echo) as url, PlainClient(url, on_frame=observe) as client:
        await client.send(1)
        with pytest.raises(ConversationError, match="the observer does not like it"):
            await client.receive()


async def test_it_says_what_it_is() -> None:
    async with serving(echo) as url, PlainClient(url) as client:
        assert repr(client) == f"<PlainClient at {url}, open>"
    assert repr(client) == f"<PlainClient at {url}, closed 1000>"


async def test_what_was_never_opened_is_not_waited_for() -> None:
    client = PlainClient("ws://127.0.0.1:1/", patience=60.0)
    for wait in (client.receive(), client.expect_closed(), client.expect_nothing(within=60.0)):
        with pytest.raises(ConversationError, match="is not connected: use it in `async with`"):
            await wait
    with pytest.raises(ConversationError, match="is not connected"):
        await client.send(1)
    assert client.frames == []


@pytest.mark.parametrize("url", ["ws://127.0.0.1:99999/", "ws://127.0.0.1:x/", "ws://[::1", "http://127.0.0.1/", "", 7])
async def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UpgradeRefused, match="is not the address of a WebSocket; it has to be like"):
        await PlainClient(url).open()


async def test_a_name_that_cannot_be_one() -> None:
    with pytest.raises(UpgradeRefused, match="No WebSocket at"):
        await PlainClient(f"ws://{'a' * 70}/").open()


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_all_kinds_of_bytes_are_binary_messages(kind: type) -> None:
    async with serving(echo) as url, PlainClient(url) as client:
        await client.send(kind(b"\x00\xff"))
        assert await client.receive() == b"\x00\xff"


async def test_one_subprotocol_may_be_a_text() -> None:
    async with serving(echo, subprotocols=["chat"]) as url, PlainClient(url, subprotocols="chat") as client:
        assert client.subprotocol == "chat"


async def test_an_observer_that_fails_is_told_at_once() -> None:
    def observe(frame: Frame) -> None:
        if frame.direction in (Direction.RECEIVED, Direction.NOTED) and frame.content != "opened":
            raise LookupError("the observer's own")

    async with serving(echo) as url, PlainClient(url, on_frame=observe, patience=60.0) as client:
        await client.send(1)
        with pytest.raises(ConversationError, match="could not be taken in: the observer's own"):
            await client.receive()


async def test_an_observer_that_fails_at_the_beginning_leaves_nothing_open() -> None:
    def observe(frame: Frame) -> None:
        raise LookupError("the observer's own")

    ending = Ending()
    async with serving(ending) as url:
        client = PlainClient(url, on_frame=observe)
        with pytest.raises(LookupError):
            await client.open()
        assert not client.is_open
        await ending.came.wait()
