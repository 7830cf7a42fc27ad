"""Waiting for messages, on a record that the tests write themselves."""

from __future__ import annotations

import asyncio

import pytest

from tidings.testing.clients.stream import ConversationError, Record, Stream, named
from tidings.testing.clients.transcript import Closing, Direction, Letter

pytestmark = pytest.mark.shell

SHORT = 0.03


class Talk:
    """A stream and the other side of it."""

    def __init__(self) -> None:
        self.record = Record("a test")
        self.record.connections = 1
        self.stream = Stream[object](self.record)

    def say(self, *values: object) -> None:
        for value in values:
            self.record.add(Direction.RECEIVED, value)
            letter = Letter(value)
            self.record.transcript.attach(letter)
            self.stream.put(letter)
        self.record.wake()


@pytest.fixture
async def talk() -> Talk:
    return Talk()


async def test_what_is_there_is_received_at_once(talk: Talk) -> None:
    talk.say("a")
    assert await talk.stream.receive(timeout=0) == "a"


async def test_what_comes_later_is_waited_for(talk: Talk) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(talk.stream.collect(2))
        for value in ("a", "b"):
            await asyncio.sleep(0)
            talk.say(value)
    assert waiting.result() == ["a", "b"]


async def test_two_may_wait_at_a_time(talk: Talk) -> None:
    """Each gets a message of its own."""
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(talk.stream.receive()) for _ in range(2)]
        await asyncio.sleep(0)
        talk.say("a", "b")
    assert sorted(str(task.result()) for task in waiting) == ["a", "b"]


async def test_what_does_not_come_is_a_failure_with_the_conversation(talk: Talk) -> None:
    talk.say({"type": "welcome"})
    await talk.stream.receive()
    with pytest.raises(ConversationError) as failure:
        await talk.stream.receive(timeout=SHORT)
    sentence, *lines = str(failure.value).splitlines()
    assert sentence == f"Waited {SHORT} s for a message."
    assert lines[-1].endswith('← {"type":"welcome"}')


async def test_a_failed_search_shows_what_was_skipped(talk: Talk) -> None:
    talk.say("a", "b")
    with pytest.raises(ConversationError) as failure:
        await talk.stream.receive_until(lambda value: value == "c", timeout=SHORT)
    assert "for a message that fits the lambda in test_stream.py:" in failure.value.sentence
    assert str(failure.value).count("(skipped)") == 2
    assert talk.stream.skipped == ["a", "b"]


async def test_a_search_goes_on_with_what_comes(talk: Talk) -> None:
    talk.say("a")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(talk.stream.receive_until(lambda value: value == "c"))
        await asyncio.sleep(0)
        talk.say("b", "c", "d")
    assert waiting.result() == "c"
    assert talk.stream.unread == ["d"]


async def test_too_few_are_counted_and_left(talk: Talk) -> None:
    talk.say("a", "b")
    with pytest.raises(ConversationError, match="for 3 messages, of which 2 came"):
        await talk.stream.collect(3, timeout=SHORT)
    assert talk.stream.unread == ["a", "b"]


async def test_nothing_is_expected_and_nothing_comes(talk: Talk) -> None:
    talk.say("a")
    await talk.stream.receive()
    await talk.stream.expect_nothing(within=SHORT)


async def test_nothing_is_expected_and_something_is_there(talk: Talk) -> None:
    talk.say("a")
    with pytest.raises(ConversationError, match="No message was expected") as failure:
        await talk.stream.expect_nothing(within=SHORT)
    assert str(failure.value).endswith("← a   (not read)")


async def test_nothing_is_expected_and_something_comes(talk: Talk) -> None:
    """The wait is over at once, and the message is still there to be read."""
    waiting = asyncio.create_task(talk.stream.expect_nothing(within=60.0))
    await asyncio.sleep(0)
    talk.say("a")
    with pytest.raises(ConversationError):
        await waiting
    assert await talk.stream.receive() == "a"


async def test_the_end_of_the_connection_ends_every_wait(talk: Talk) -> None:
    waits = [talk.stream.receive(), talk.stream.collect(2), talk.stream.expect_nothing(within=60.0)]
    waiting = [asyncio.create_task(wait) for wait in waits]
    await asyncio.sleep(0)
    talk.record.close(Closing(3503, "force disconnect"))
    for task in waiting:
        with pytest.raises(ConversationError, match=r"closed \(3503 force disconnect\) while waiting") as failure:
            await task
        assert failure.value.closing == (3503, "force disconnect")


async def test_what_came_before_the_end_is_still_received(talk: Talk) -> None:
    talk.say("a")
    talk.record.close(Closing(1000, ""))
    assert await talk.stream.receive() == "a"


async def test_what_could_not_be_taken_in_is_passed_on(talk: Talk) -> None:
    fault = ValueError("not what the protocol says")
    talk.record.fail(fault)
    with pytest.raises(ConversationError, match="could not be taken in: not what the protocol says") as failure:
        await talk.stream.receive()
    assert failure.value.__cause__ is fault


async def test_a_cancelled_wait_loses_nothing(talk: Talk) -> None:
    waiting = asyncio.create_task(talk.stream.collect(2))
    await asyncio.sleep(0)
    talk.say("a")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await talk.stream.receive() == "a"


async def test_patience_is_the_timeout_of_all(talk: Talk) -> None:
    talk.stream.patience = SHORT
    with pytest.raises(ConversationError, match=f"Waited {SHORT} s"):
        await talk.stream.receive()
    assert Stream.patience == 5.0


def welcome(value: object) -> bool:
    return value == "welcome"


def test_a_predicate_is_named() -> None:
    """By its name, or by where it stands."""
    assert named(welcome).startswith("welcome in test_stream.py:")
    assert named(lambda value: True).startswith("the lambda in test_stream.py:")
    assert named("x".__eq__).endswith("__eq__")
