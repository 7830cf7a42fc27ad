"""A line: what it writes and what it makes of replies, byte for byte, at one end of a socket pair."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.brokers.redis.peer import call, command

from tidings.brokers.link import LineLost
from tidings.brokers.redis.line import ReplyError

pytestmark = pytest.mark.shell

LONG, TURN = 0.2, 0.005
"""Seconds."""

PING = command(b"PING")
SUBSCRIBE = command(b"SUBSCRIBE", b"a", b"b")
HEARD_A = b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
HEARD_B = b">3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
MESSAGE = b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"


async def lost(future: asyncio.Future[Any]) -> LineLost:
    with pytest.raises(LineLost) as error:
        await future
    return error.value


# Calls and replies.


async def test_words_are_bytes_text_and_numbers():
    async with call() as (one, peer):
        reply = one.line.call(b"A\r\n", "\N{SNOWMAN}", 7, 0.5, "")
        await peer.hears(command(b"A\r\n", "\N{SNOWMAN}".encode(), b"7", b"0.5", b""))
        await peer.says(b"+OK\r\n")
        await reply


async def test_replies_come_in_the_order_of_the_calls():
    """Of every kind that there is."""
    async with call() as (one, peer):
        replies = [one.line.call(b"PING") for _ in range(8)]
        await peer.hears(PING * 8)
        await peer.says(b"+OK\r\n:7\r\n$4\r\na\r\nb\r\n_\r\n*2\r\n:1\r\n$0\r\n\r\n%1\r\n$1\r\na\r\n:1\r\n#t\r\n*0\r\n")
        assert await asyncio.gather(*replies) == [b"OK", 7, b"a\r\nb", None, [1, b""], {b"a": 1}, True, []]


async def test_replies_may_come_in_pieces():
    """Byte by byte, or several with a part of the next."""
    async with call() as (one, peer):
        first, second, third = (one.line.call(b"PING") for _ in range(3))
        for byte in b"$5\r\nhel":
            await peer.says(bytes([byte]))
        await peer.says(b"lo\r\n+PONG\r\n*1\r\n$1")
        assert await asyncio.gather(first, second) == [b"hello", b"PONG"]
        assert not third.done()
        await peer.says(b"\r\nx\r\n")
        assert await third == [b"x"]


async def test_calls_of_one_turn_leave_together():
    """In the order in which they were made, and without a timer: nothing while the turn lasts, all when it is over."""
    async with call() as (one, peer):
        replies = [one.line.call(b"ECHO", number) for number in range(3)]
        assert peer.hears_nothing()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert peer.heard_at_once() == b"".join(command(b"ECHO", b"%d" % number) for number in range(3))
        await peer.says(b"+0\r\n+1\r\n+2\r\n")
        await asyncio.gather(*replies)


async def test_a_call_does_not_wait_for_the_reply_to_another():
    async with call() as (one, peer):
        first = one.line.call(b"PING")
        await peer.hears(PING)
        second = one.line.call(b"PING")
        await peer.hears(PING)
        assert one.line.waiting == 2
        await peer.says(b"+1\r\n+2\r\n")
        assert (await first, await second) == (b"1", b"2")
        assert one.line.waiting == 0


async def test_a_refusal_is_an_error_of_its_call_alone():
    """Its first word says which."""
    async with call() as (one, peer):
        refused, answered = one.line.call(b"PING"), one.line.call(b"PING")
        await peer.says(b"-NOSCRIPT No matching script.\r\n+PONG\r\n")
        with pytest.raises(ReplyError, match=r"NOSCRIPT No matching script\.") as refusal:
            await refused
        assert (refusal.value.kind, refusal.value.detail) == ("NOSCRIPT", "No matching script.")
        assert await answered == b"PONG"


async def test_a_refusal_may_be_in_any_encoding():
    async with call() as (one, peer):
        refused = one.line.call(b"PING")
        await peer.says(b"-ERR \xff\r\n")
        with pytest.raises(ReplyError, match="ERR"):
            await refused


async def test_a_cancelled_call_does_not_shift_the_replies():
    """Cancelled before it left, and after."""
    async with call() as (one, peer):
        replies = [one.line.call(b"PING") for _ in range(3)]
        replies[0].cancel()
        await peer.hears(PING * 3)
        replies[1].cancel()
        await peer.says(b"+0\r\n-ERR 1\r\n+2\r\n")
        assert await replies[2] == b"2"


# What is said unasked.


async def test_messages_stand_beside_the_replies():
    """Before, between and after them, and never in their place."""
    async with call() as (one, peer):
        first, second = one.line.call(b"PING"), one.line.call(b"PING")
        await peer.says(MESSAGE + b"+1\r\n" + MESSAGE + b"+2\r\n" + MESSAGE)
        assert (await first, await second) == (b"1", b"2")
        assert one.pushes == [[b"message", b"a", b"hi"]] * 3


async def test_a_message_comes_when_nothing_is_due():
    async with call() as (one, peer):
        await peer.says(MESSAGE)
        reply = one.line.call(b"PING")
        await peer.says(b"+PONG\r\n")
        await reply
        assert one.pushes == [[b"message", b"a", b"hi"]]


# Subscriptions.


async def test_a_subscription_is_there_when_every_channel_is_confirmed():
    """Messages in between are messages."""
    async with call() as (one, peer):
        listening, reply = one.line.listen(b"SUBSCRIBE", ["a", "b"]), one.line.call(b"PING")
        await peer.hears(SUBSCRIBE, PING)
        await peer.says(HEARD_A + MESSAGE)
        while not one.pushes:
            await asyncio.sleep(0)
        assert not listening.done()
        await peer.says(HEARD_B + b"+PONG\r\n")
        assert await asyncio.gather(listening, reply) == [None, b"PONG"]
        assert one.pushes == [[b"message", b"a", b"hi"]]


async def test_subscriptions_are_confirmed_in_their_order():
    """The second waits for its own confirmation, though the first has one of the same channel."""
    async with call() as (one, peer):
        first, second = one.line.listen(b"SUBSCRIBE", ["a"]), one.line.listen(b"SUBSCRIBE", ["a"])
        await peer.says(HEARD_A)
        await first
        assert not second.done()
        await peer.says(HEARD_A)
        await second


async def test_a_refused_subscription_is_an_error_of_its_own_alone():
    async with call() as (one, peer):
        refused, heard = one.line.listen(b"SUBSCRIBE", ["a", "b"]), one.line.listen(b"SUBSCRIBE", ["a"])
        await peer.says(b"-NOPERM no permissions for a channel\r\n" + HEARD_A)
        with pytest.raises(ReplyError, match="NOPERM"):
            await refused
        await heard


async def test_a_subscription_has_no_reply():
    """Whatever is answered to it in place of a message is an error."""
    async with call() as (one, peer):
        listening = one.line.listen(b"SUBSCRIBE", ["a"])
        await peer.says(b"+OK\r\n")
        with pytest.raises(ReplyError):
            await listening


async def test_a_cancelled_subscription_does_not_shift_the_replies():
    async with call() as (one, peer):
        listening, reply = one.line.listen(b"SUBSCRIBE", ["a", "b"]), one.line.call(b"PING")
        listening.cancel()
        await peer.says(HEARD_A + HEARD_B + b"+PONG\r\n")
        assert await reply == b"PONG"
        assert one.pushes == []


async def test_an_end_that_nobody_asked_for_is_a_message():
    """A cluster's server that gives a slot away ends the subscriptions of its channels."""
    moved = b">3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n"
    async with call() as (one, peer):
        listening = one.line.listen(b"SUBSCRIBE", ["a"])
        await peer.says(moved + HEARD_A)
        await listening
        assert one.pushes == [[b"sunsubscribe", b"a", 0]]


# The end.


async def test_the_server_hangs_up():
    """Calls that had left may have been seen."""
    async with call() as (one, peer):
        answered, waiting = one.line.call(b"PING"), one.line.call(b"PING")
        listening = one.line.listen(b"SUBSCRIBE", ["a"])
        await peer.hears(PING * 2, command(b"SUBSCRIBE", b"a"))
        await peer.says(b"+PONG\r\n")
        await answered
        peer.close()
        for future in (waiting, listening):
            error = await lost(future)
            assert (error.reason, error.sent) == ("the server closed the connection", True)
        assert one.endings == ["the server closed the connection"]


async def test_a_call_after_the_end_raises_at_once():
    """It cannot have been seen."""
    async with call() as (one, peer):
        peer.close()
        reason = await one.over()
        with pytest.raises(LineLost, match=reason) as error:
            one.line.call(b"PING")
        assert error.value.sent is False
        with pytest.raises(LineLost, match=reason):
            one.line.listen(b"SUBSCRIBE", ["a"])


async def test_what_had_not_left_when_the_line_ended_was_not_seen():
    """And what had left may have been."""
    async with call() as (one, peer):
        left = one.line.call(b"PING")
        await peer.hears(PING)
        kept = one.line.call(b"ECHO", "before the end")
        one.line.end("enough")
        late = one.line.call(b"ECHO", "after it")
        errors = [await lost(future) for future in (left, kept, late)]
        assert [(error.reason, error.sent) for error in errors] == [
            ("enough", True),
            ("enough", False),
            ("enough", False),
        ]
        await peer.hears_the_end()


async def test_a_cancelled_call_does_not_shift_what_was_sent():
    async with call() as (one, peer):
        cancelled, left = one.line.call(b"PING"), one.line.call(b"PING")
        await peer.hears(PING * 2)
        cancelled.cancel()
        late = one.line.call(b"PING")
        one.line.end("enough")
        assert [(await lost(future)).sent for future in (left, late)] == [True, False]


async def test_it_ends_once():
    async with call() as (one, peer):
        for reason in ("enough", "more than enough"):
            one.line.end(reason)
        await one.over()
        one.line.end("long over")
        assert len(one.endings) == 1
        await peer.hears_the_end()


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",
        b"ERROR\r\n",
        b"$-7\r\n",
        b"*-7\r\n",
        b"$99999999999999999999\r\n",
        b":one\r\n",
        b"\x00" * 10,
    ],
)
async def test_garbage_ends_it(garbage: bytes):
    """Nothing after it can be understood; replies before it are."""
    async with call() as (one, peer):
        answered, waiting = one.line.call(b"PING"), one.line.call(b"PING")
        await peer.hears(PING * 2)
        await peer.says(b"+PONG\r\n" + garbage + b"+PONG\r\n")
        assert await answered == b"PONG"
        error = await lost(waiting)
        assert (error.reason, error.sent) == ("the server does not speak the Redis protocol", True)
        assert one.endings == [error.reason]


async def test_an_answer_that_nobody_asked_for_ends_it():
    """Every later reply would be taken for another's."""
    async with call() as (one, peer):
        await peer.says(b"+PONG\r\n")
        assert await one.over() == "the server answered what nobody had asked"


# Silence.


async def test_it_is_quiet_while_a_reply_is_due():
    """Since the oldest call that waits, or the last sign of life, whichever came later."""
    async with call() as (one, peer):
        assert one.line.quiet() == 0.0
        replies = [one.line.call(b"PING") for _ in range(2)]
        for reply in replies:
            while (before := one.line.quiet()) < LONG:
                await asyncio.sleep(TURN)
            await peer.says(b"+PONG\r\n")
            await reply
            assert one.line.quiet() < before
        assert one.line.quiet() == 0.0


async def test_who_is_asked_after_a_long_idleness_has_time_to_answer():
    """It was not quiet as long as nothing was asked."""
    async with call() as (one, peer):
        await peer.says(MESSAGE)
        while not one.pushes:
            await asyncio.sleep(TURN)
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + LONG:
            await asyncio.sleep(TURN)
        reply = one.line.call(b"PING")
        assert one.line.quiet() < LONG
        await peer.says(b"+PONG\r\n")
        await reply
