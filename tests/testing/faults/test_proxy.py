"""The proxy on loopback, between plain asyncio streams: what arrives, what ends, and that it holds what it promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from tests.testing.faults.echo import Echo, calling, echoing, until

from tidings.testing.faults import (
    Bandwidth,
    Blackhole,
    Corrupt,
    Direction,
    FaultError,
    FaultProxy,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)
from tidings.testing.faults.link import HELD_BYTES
from tidings.testing.services import ports

pytestmark = [pytest.mark.shell, pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])]

MEGABYTE = 1024 * 1024


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async with echoing() as echo:
        yield echo


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(echo.address, seed=7) as proxy:
        yield proxy


# Carrying.


async def test_carries_both_ways(echo: Echo, proxy: FaultProxy):
    async with calling(proxy.address) as caller:
        assert await caller.ask(b"hello") == b"hello"
        assert proxy.connections == 1
    await until(lambda: proxy.connections == 0)
    assert echo.received == b"hello"


async def test_one_side_may_finish_before_the_other(echo: Echo, proxy: FaultProxy):
    """A client that has sent its last still gets its answer."""
    async with calling(proxy.address) as caller:
        caller.writer.write(b"last words")
        caller.writer.write_eof()
        assert await caller.reader.read(100) == b"last words"
        assert await caller.reader.read() == b""
    assert await echo.ends.get() == "finished"


async def test_a_reset_is_carried_on(echo: Echo, proxy: FaultProxy):
    async with calling(proxy.address) as caller:
        await caller.ask(b"x")
        with proxy.toxic(ResetPeer()):
            assert await caller.end() == "reset"
    assert await echo.ends.get() == "reset"


async def test_many_connections_at_once(proxy: FaultProxy):
    async def talk(number: int) -> bool:
        data = f"{number}.".encode() * 1000
        async with calling(proxy.address) as caller:
            return await caller.ask(data) == data

    assert all(await asyncio.gather(*map(talk, range(200))))
    assert proxy.accepted == 200


async def test_memory_is_bounded():
    """A server that does not read makes the sender wait, and the proxy holds no more than its bound."""
    stalled = asyncio.Event()

    async def refuse_to_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()
        await stalled.wait()
        writer.close()

    server = await asyncio.start_server(refuse_to_read, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with FaultProxy(address) as proxy, calling(proxy.address) as caller:
        caller.writer.write(bytes(64 * MEGABYTE))
        await until(lambda: any(link.far.is_full for link in proxy._links))
        (link,) = proxy._links
        far, near = link.far.transport, caller.writer.transport
        assert far is not None
        await settled(near.get_write_buffer_size)
        assert near.get_write_buffer_size() > 32 * MEGABYTE
        assert far.get_write_buffer_size() <= 2 * HELD_BYTES
        near.abort()
        stalled.set()
    server.close()


async def test_a_long_line_holds_no_more_than_its_bound(proxy: FaultProxy):
    with proxy.toxic(Latency(latency_ms=60_000), direction="upstream"):
        async with calling(proxy.address) as caller:
            caller.writer.write(bytes(16 * MEGABYTE))
            await settled(caller.writer.transport.get_write_buffer_size)
            (link,) = proxy._links
            assert HELD_BYTES <= link.lanes[Direction.UPSTREAM].held_bytes <= 2 * HELD_BYTES
            caller.writer.transport.abort()


async def settled(size) -> None:  # type: ignore[no-untyped-def]
    """Wait until a buffer has stopped shrinking."""
    last, unchanged = -1, 0
    while unchanged < 20:
        await asyncio.sleep(0.002)
        last, unchanged = size(), unchanged + 1 if size() == last else 0


# Where it is.


async def test_its_url_is_the_upstreams_with_its_address_in_it(echo: Echo):
    async with FaultProxy(f"ws://u:p@{echo.address}/connection/websocket?a=b") as proxy:
        assert proxy.url == f"ws://u:p@{proxy.address}/connection/websocket?a=b"
        async with calling(proxy.address) as caller:
            assert await caller.ask(b"x") == b"x"


async def test_its_port_is_its_own(proxy: FaultProxy):
    assert ports.FIRST <= proxy.port < ports.LAST
    assert repr(proxy) == f"<FaultProxy 127.0.0.1:{proxy.port} to {proxy.upstream}, up, 0 connections>"


async def test_a_port_that_is_taken_is_told(echo: Echo):
    with pytest.raises(
        FaultError, match=rf"The proxy cannot listen on 127\.0\.0\.1:{echo.port}: Address already in use"
    ):
        async with FaultProxy(echo.address, port=echo.port):
            pass


# Cut and mended.


async def test_cut_ends_what_is_open_and_refuses_what_comes(echo: Echo, proxy: FaultProxy):
    async with calling(proxy.address) as first, calling(proxy.address) as second:
        await first.ask(b"x")
        await second.ask(b"x")
        assert proxy.cut() == 2
        assert [await first.end(), await second.end()] == ["reset", "reset"]
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(proxy.host, proxy.port)
    assert proxy.cut() == 0
    proxy.mend()
    proxy.mend()
    async with calling(proxy.address) as caller:
        assert await caller.ask(b"x") == b"x"


async def test_down_is_for_a_block(proxy: FaultProxy):
    async with calling(proxy.address) as caller:
        await caller.ask(b"x")
        with proxy.down() as ended:
            assert (ended, proxy.is_up) == (1, False)
        assert proxy.is_up
        assert await caller.end() == "reset"


async def test_drop_ends_what_is_open_and_welcomes_what_comes(proxy: FaultProxy):
    async with calling(proxy.address) as caller:
        await caller.ask(b"x")
        assert proxy.drop() == 1
        assert await caller.end() == "reset"
    async with calling(proxy.address) as caller:
        assert await caller.ask(b"x") == b"x"


async def test_cut_while_connecting(proxy: FaultProxy):
    """Whoever is half-way through is ended as well."""
    opening = [asyncio.ensure_future(asyncio.open_connection(proxy.host, proxy.port)) for _ in range(20)]
    await until(lambda: proxy.accepted > 0)
    proxy.cut()
    for reader, writer in [
        each for each in await asyncio.gather(*opening, return_exceptions=True) if type(each) is tuple
    ]:
        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        writer.close()
    await until(lambda: proxy.connections == 0)


async def test_a_client_whose_upstream_is_away_is_reset():
    async with echoing() as gone:
        address = gone.address
    async with FaultProxy(address) as proxy, calling(proxy.address) as caller:
        assert await caller.end() == "reset"
        assert proxy.connections == 0


async def test_leaving_the_block_ends_all(echo: Echo):
    """Also what is only half open, or stuck in a toxic."""
    async with FaultProxy(echo.address) as proxy:
        proxy.add(Blackhole(), direction="upstream")
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"x")
        writer.write_eof()
        await until(lambda: proxy.connections == 1)
    assert proxy.connections == 0
    with pytest.raises(ConnectionError):
        await reader.readexactly(1)
    writer.close()


# On a closed proxy and a closed connection.


async def test_what_is_closed_is_harmless_or_told(echo: Echo):
    async with FaultProxy(echo.address) as proxy:
        applied = proxy.add(Latency(latency_ms=1))
        async with calling(proxy.address) as caller:
            await caller.ask(b"x")
        await until(lambda: proxy.connections == 0)
        assert (proxy.cut(), proxy.drop()) == (0, 0)
    assert (proxy.cut(), proxy.drop()) == (0, 0)
    applied.remove()
    applied.remove()
    applied.change(Latency(latency_ms=2))
    await proxy.close()
    with pytest.raises(FaultError, match=r"does not run; use it inside of its block\."):
        proxy.mend()
    with pytest.raises(FaultError, match="is closed, so that no toxic can touch anything"):
        proxy.add(Latency(latency_ms=1))


async def test_before_the_block_toxics_can_be_prepared(echo: Echo):
    proxy = FaultProxy(echo.address)
    applied = proxy.add(Latency(latency_ms=1))
    with pytest.raises(FaultError, match="does not run"):
        proxy.mend()
    async with proxy, calling(proxy.address) as caller:
        await caller.ask(b"x")
        assert applied.touched


# Toxics.


async def test_latency_is_added_to_a_conversation(proxy: FaultProxy):
    """The same conversation with the toxic takes longer by what the toxic has, both ways, and then no more."""
    loop = asyncio.get_running_loop()

    async def duration() -> float:
        start = loop.time()
        await caller.ask(b"x")
        return loop.time() - start

    async with calling(proxy.address) as caller:
        plain = min([await duration() for _ in range(5)])
        up, down = Direction.UPSTREAM, Direction.DOWNSTREAM
        with proxy.toxic(Latency(latency_ms=40), direction=up), proxy.toxic(Latency(latency_ms=30), direction=down):
            slow = min([await duration() for _ in range(3)])
        again = min([await duration() for _ in range(5)])
    assert 0.06 <= slow < plain + 0.5
    assert again < 0.06


async def test_bandwidth_takes_its_time(proxy: FaultProxy):
    loop = asyncio.get_running_loop()
    async with calling(proxy.address) as caller:
        with proxy.toxic(Bandwidth(rate_kb=500)) as applied:
            start = loop.time()
            assert await caller.ask(bytes(50_000)) == bytes(50_000)
            assert 0.09 <= loop.time() - start < 2.0
    assert applied.touched.data_bytes == 50_000


async def test_slicer_loses_nothing(proxy: FaultProxy):
    data = bytes(range(256)) * 40
    async with calling(proxy.address) as caller:
        with proxy.toxic(Slicer(average_size=100, size_variation=50, delay_us=10)):
            assert await caller.ask(data) == data


async def test_slow_close(proxy: FaultProxy):
    """The end waits until the toxic goes."""
    async with calling(proxy.address) as caller:
        await caller.ask(b"x")
        with proxy.toxic(SlowClose(delay_ms=60_000)) as applied:
            caller.writer.write_eof()
            await until(lambda: applied.touched.ends == 1)
            assert not caller.reader.at_eof()
        assert await caller.end() == "finished"


async def test_timeout_swallows_and_closes(echo: Echo, proxy: FaultProxy):
    async with calling(proxy.address) as caller:
        await caller.ask(b"x")
        with proxy.toxic(Timeout(timeout_ms=20)) as applied:
            caller.writer.write(b"lost")
            assert await caller.end() == "finished"
    assert await echo.ends.get() == "finished"
    assert applied.touched.ends == 1


async def test_blackhole_swallows_one_direction(echo: Echo, proxy: FaultProxy):
    """The server gets nothing, not even the end, until the toxic goes. What it sends still arrives."""
    async with calling(proxy.address) as caller:
        await caller.ask(b"x")
        with proxy.toxic(Blackhole(), direction=Direction.UPSTREAM) as applied:
            caller.writer.write(b"lost")
            caller.writer.write_eof()
            await until(lambda: applied.touched.ends == 1)
            assert (applied.touched.data_bytes, echo.received, proxy.connections) == (4, b"x", 1)
        assert await caller.end() == "finished"
    assert echo.received == b"x"


async def test_limit_data_closes_after_its_bytes(proxy: FaultProxy):
    """All of them arrive, and not one more."""
    async with calling(proxy.address) as caller:
        with proxy.toxic(LimitData(limit_bytes=100_000)):
            caller.writer.write(bytes(150_000))
            assert len(await caller.reader.readexactly(100_000)) == 100_000
            with suppress(ConnectionError):  # The rest of the question met a closed socket.
                assert await caller.reader.read() == b""


async def test_corrupt_changes_bytes(proxy: FaultProxy):
    async with calling(proxy.address) as caller:
        with proxy.toxic(Corrupt(rate=1.0)):
            assert all(await caller.ask(bytes(100)))
        assert not any(await caller.ask(bytes(100)))


async def test_a_toxic_meets_open_connections_and_new_ones(proxy: FaultProxy):
    async with calling(proxy.address) as old:
        await old.ask(b"x")
        applied = proxy.add(Corrupt(rate=1.0))
        async with calling(proxy.address) as new:
            assert await old.ask(b"\0") != b"\0"
            assert await new.ask(b"\0") != b"\0"
            assert applied.touched.connections == 2
            applied.change(Latency(latency_ms=1))
            assert await old.ask(b"\0") == b"\0"
            proxy.clear()
            assert proxy.toxics == ()


async def test_toxicity_chooses_connections_by_the_seed(echo: Echo):
    """The same ones each time, about as many as it says, and others with another seed."""

    async def struck(seed: int) -> list[bool]:
        async with FaultProxy(echo.address, seed=seed) as proxy:
            proxy.add(Corrupt(rate=1.0), toxicity=0.5)
            answers = []
            for _ in range(40):
                async with calling(proxy.address) as caller:
                    answers.append(await caller.ask(b"\0") != b"\0")
            return answers

    first, again, other = await struck(1), await struck(1), await struck(2)
    assert first == again != other
    assert 8 <= sum(first) <= 32


async def test_what_cannot_be_added_is_told(proxy: FaultProxy):
    proxy.add(Latency(latency_ms=1))
    with pytest.raises(FaultError, match="has a toxic latency_downstream already; remove that first"):
        proxy.add(Latency(latency_ms=2))
    proxy.add(Latency(latency_ms=2), name="second")
    with pytest.raises(ValueError, match=r"The toxicity is a share of the connections from 0 to 1, not 2"):
        proxy.add(Blackhole(), toxicity=2)
    with pytest.raises(ValueError, match="'sideways' is not a valid Direction"):
        proxy.add(Blackhole(), direction="sideways")
    with pytest.raises(TypeError, match=r"is no toxic; take one such as Latency\(latency_ms=200\)\."):
        proxy.add(Latency)  # type: ignore[arg-type]
