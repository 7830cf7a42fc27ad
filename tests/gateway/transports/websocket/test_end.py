"""How a WebSocket connection ends, against literal bytes on real sockets, with and without TLS."""

from __future__ import annotations

import gc
import logging
import struct
import weakref

import pytest

from tidings.gateway.transports.base import TransportTerms
from tidings.gateway.transports.handshake import Agreement
from tidings.wire import frames
from tidings.wire.centrifuge.json import JSON

pytestmark = [pytest.mark.shell, pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])]

# FIN and opcode.
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
# The same without FIN, and what continues them.
TEXT_BEGINS, BINARY_BEGINS, CONTINUES, ENDS = 0x01, 0x02, 0x00, 0x80

# The client closes.


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999])
async def test_a_close_is_answered(wire, peer, code, is_over):
    """With the same code and reason, which the peer hears; then the server ends the stream."""
    payload = struct.pack("!H", code) + "adieu, ça suffit".encode()
    wire.send(CLOSE, payload)
    assert await wire.frame() == (CLOSE, payload)
    assert await is_over(wire, peer) == (code, "adieu, ça suffit")


async def test_a_close_without_code(wire, peer, is_over):
    """Is answered in kind; 1005 says that there was none (RFC 6455, section 7.1.5)."""
    wire.send(CLOSE)
    assert await wire.frame() == (CLOSE, b"")
    assert await is_over(wire, peer) == (1005, "")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
async def test_a_code_that_may_not_be_sent(wire, peer, code, refused):
    """RFC 6455, section 7.4."""
    wire.send(CLOSE, struct.pack("!H", code))
    await refused(wire, peer, 1002)


async def test_half_a_code(wire, peer, refused):
    """RFC 6455, section 5.5.1: a body of one byte is no code."""
    wire.send(CLOSE, b"\x03")
    await refused(wire, peer, 1002)


async def test_a_reason_that_is_not_utf8(wire, peer, refused):
    """Is an error like any other text that is not."""
    wire.send(CLOSE, b"\x03\xe8\xff")
    await refused(wire, peer, 1007)


async def test_what_follows_a_close_is_ignored(wire, peer, masked, is_over):
    """RFC 6455, section 5.5.1: after a close frame there is nothing more to say."""
    wire.raw(masked(CLOSE, b"\x03\xe8") + masked(TEXT, b"but") + b"\xff\xff\xff")
    assert await wire.frame() == (CLOSE, b"\x03\xe8")
    assert await is_over(wire, peer) == (1000, "")
    assert peer.received == []


async def test_a_client_that_hangs_up(wire, peer, is_over):
    """The stream ends without a close frame, perhaps within a frame: 1006, and our side ends as well."""
    wire.raw(b"\x81\x85")
    wire.writer.write_eof()
    assert await is_over(wire, peer) == (1006, "")


async def test_a_client_that_is_gone(wire, peer, until):
    """A reset by the client is 1006."""
    wire.reset()
    await until(lambda: peer.verdicts)
    assert peer.verdicts == [(1006, "")]


# We close.


async def test_our_close(wire, peer, is_over):
    """Our code goes out after what was written; the client's answer ends the connection with our code."""
    peer.transport.write(frames.text(b"last words"))
    peer.transport.close(3001, "shutdown")
    assert await wire.frame() == (TEXT, b"last words")
    assert await wire.closing() == (3001, "shutdown")
    assert peer.verdicts == []
    wire.send(CLOSE, b"\x03\xe8")
    assert await is_over(wire, peer) == (3001, "shutdown")


async def test_after_our_close_nothing_is_received(wire, peer, is_over):
    """A message that crossed our close frame is not for anybody; a ping may still be answered."""
    peer.transport.close(3000, "")
    wire.send(TEXT, b"crossed")
    wire.send(PING, b"still there?")
    assert await wire.closing() == (3000, "")
    assert await wire.frame() == (PONG, b"still there?")
    wire.send(CLOSE)
    assert await is_over(wire, peer) == (3000, "")
    assert peer.received == []


async def test_a_close_between_two_messages_of_a_segment(wire, peer, masked):
    """The peer closed on the first message, so the second one is not received."""
    peer.receive = lambda payload: (peer.received.append(payload), peer.transport.close(3501, "bad request"))
    wire.raw(masked(TEXT, b"1") + masked(TEXT, b"2"))
    assert await wire.closing() == (3501, "bad request")
    assert peer.received == [b"1"]


async def test_both_close(wire, peer, masked, is_over):
    """The client's close came with the message on which the peer closed: the client's counts, and is answered."""
    peer.receive = lambda payload: peer.transport.close(3501, "bad request")
    wire.raw(masked(TEXT, b"?") + masked(CLOSE, b"\x0f\xa0"))
    assert await wire.closing() == (4000, "")
    assert await is_over(wire, peer) == (4000, "")


async def test_a_long_reason(wire, peer):
    """Its beginning is sent, and no character is cut."""
    peer.transport.close(4000, "€" * 100)
    assert await wire.closing() == (4000, "€" * 41)


async def test_a_close_that_is_not_answered(house, enter, until):
    """After the close timeout the connection is cut; the code is still ours."""
    house.terms = TransportTerms(close_timeout=0.05)
    _, peer = await enter()
    peer.transport.close(3012, "no pong")
    await until(lambda: peer.verdicts)
    assert peer.verdicts == [(3012, "no pong")]
    assert house.connections == set()


async def test_a_close_to_a_client_that_does_not_read(house, enter, until):
    """What cannot be sent within the close timeout is given up."""
    house.terms = TransportTerms(close_timeout=0.05)
    wire, peer = await enter()
    wire.writer.transport.pause_reading()
    peer.transport.write(bytes(20_000_000))
    peer.transport.close(3008, "slow")
    await until(lambda: peer.verdicts)
    assert peer.verdicts == [(3008, "slow")]


async def test_a_flood_that_goes_on_after_our_close(house, enter, masked, until):
    """Is not read without end: the client cannot send any more, reads why, and is cut after the close timeout."""
    house.terms = TransportTerms(close_timeout=0.5)
    wire, peer = await enter()
    peer.transport.close(3013, "too many requests")
    wire.raw(masked(TEXT, bytes(50_000)) * 1000)
    assert await wire.closing() == (3013, "too many requests")
    unsent = []
    await until(lambda: peer.verdicts or unsent.append(wire.writer.transport.get_write_buffer_size()))
    assert unsent[-1] > 10_000_000
    assert peer.verdicts == [(3013, "too many requests")]
    assert house.connections == set() and peer.received == []


async def test_what_crosses_our_close_is_read(enter, masked, is_over):
    """A client that has sent much before it reads our close ends the connection in order."""
    wire, peer = await enter()
    peer.transport.close(3001, "shutdown")
    wire.raw(masked(TEXT, bytes(50_000)) * 200)
    wire.send(CLOSE, b"\x0b\xb9")
    assert await wire.closing() == (3001, "shutdown")
    assert await is_over(wire, peer) == (3001, "shutdown")


async def test_a_goodbye_that_cannot_be_sent(house, enter, until):
    """The same when the client closes, or just hangs up, without reading what was written to it."""
    house.terms = TransportTerms(close_timeout=0.05)
    for end in (lambda wire: wire.send(CLOSE, b"\x03\xe8"), lambda wire: wire.writer.write_eof()):
        wire, peer = await enter()
        wire.writer.transport.pause_reading()
        peer.transport.write(bytes(20_000_000))
        end(wire)
        await until(lambda peer=peer: peer.verdicts)
        house.peers.clear()


async def test_abort(wire, peer, until):
    """The connection is cut, what was not sent is forgotten, the peer hears 1006."""
    wire.writer.transport.pause_reading()
    peer.transport.write(bytes(20_000_000))
    peer.transport.abort()
    await until(lambda: peer.verdicts)
    assert peer.verdicts == [(1006, "")]


async def test_shutdown_is_the_peers(house, wire, peer):
    """The server tells each of its connections to end, and the peer chooses the words."""
    (connection,) = house.connections
    connection.shutdown()
    assert await wire.closing() == (3001, "shutdown")


@pytest.mark.parametrize(
    "after", [b"\x81\x02hi", b"\x88\x82\x00\x00\x00\x00\x03\xe8", b"\x89\x80\x00\x00\x00\x00" * 20]
)
async def test_an_abort_between_two_frames_of_a_segment(wire, peer, until, caplog, masked, after):
    """The peer aborted on the first one. What is wrong with the second, or asked by it, is answered by nobody."""
    peer.receive = lambda payload: peer.transport.abort()
    wire.raw(masked(TEXT, b"abort") + after)
    await until(lambda: peer.verdicts)
    assert await wire.ended() == b""
    assert caplog.records == []


async def test_a_peer_that_knows_is_left_alone(house, wire, peer):
    """While the server waits for the client to end the stream too, the peer is told nothing more."""
    wire.raw(b"\x81\x02hi")
    assert (await wire.closing())[0] == 1002
    (connection,) = house.connections
    connection.shutdown()
    connection.pause_writing()
    connection.resume_writing()
    assert peer.calls == []


async def test_an_ended_connection_is_forgotten(house, enter, until):
    """No timer and no other thing keeps it, or the event loop's transport, until a timeout that is not needed."""
    wire, peer = await enter()
    ours = weakref.ref(peer.transport._transport)
    wire.send(CLOSE, b"\x03\xe8")
    await wire.ended()
    await until(lambda: not house.connections)
    house.peers.clear()
    del peer
    await until(lambda: gc.collect() and ours() is None)


@pytest.mark.parametrize("end", ["close", "abort", "lost"])
async def test_writes_after_the_end_do_nothing(house, enter, until, caplog, end):
    """Neither an error nor one of asyncio's warnings, however many there are."""
    house.agreement = Agreement(JSON, native_pings=True)
    wire, peer = await enter()
    transport = peer.transport
    if end == "close":
        transport.close(3000, "over")
    elif end == "abort":
        transport.abort()
    else:
        wire.reset()
        await until(lambda: peer.verdicts)
    with caplog.at_level(logging.DEBUG):
        for _ in range(20):
            transport.write(frames.text(b"nobody hears"))
            transport.send(b"nobody hears", text=True)
            transport.ping()
            transport.close(3500, "again")
        transport.abort()
        await until(lambda: not house.connections)
    assert [record for record in caplog.records if record.name == "asyncio"] == []
    assert len(peer.verdicts) == 1


# TLS.


async def test_messages_through_tls(secured, until):
    """In both directions, longer than a TLS record."""
    wire, peer = secured
    wire.send(BINARY, b"x" * 65536)
    await until(lambda: peer.received)
    peer.transport.write(frames.binary(peer.received[0][1]))
    assert await wire.frame() == (BINARY, b"x" * 65536)


async def test_a_clients_close_through_tls(secured, is_over):
    """Where a stream has no half, the server ends it as a whole once everything is said."""
    wire, peer = secured
    wire.send(CLOSE, b"\x0f\xa0bye")
    assert await wire.closing() == (4000, "bye")
    assert await is_over(wire, peer) == (4000, "bye")


async def test_our_close_through_tls(secured, is_over):
    """Our code, the client's answer, the end of the stream."""
    wire, peer = secured
    peer.transport.close(3001, "shutdown")
    assert await wire.closing() == (3001, "shutdown")
    wire.send(CLOSE, b"\x0b\xb9")
    assert await is_over(wire, peer) == (3001, "shutdown")


async def test_an_error_through_tls(secured, refused):
    """The close frame arrives before the stream ends."""
    wire, peer = secured
    wire.raw(b"\x81\x02hi")
    await refused(wire, peer, 1002)


async def test_a_client_that_hangs_up_through_tls(secured, until):
    """Without a close frame it is 1006."""
    wire, peer = secured
    wire.hang_up()
    await until(lambda: peer.verdicts)
    assert peer.verdicts == [(1006, "")]


async def test_writes_after_an_abort_through_tls(secured, until, caplog):
    """As without TLS: no error, no warning."""
    _, peer = secured
    peer.transport.abort()
    for _ in range(20):
        peer.transport.write(frames.text(b"nobody hears"))
    await until(lambda: peer.verdicts)
    assert caplog.records == []
