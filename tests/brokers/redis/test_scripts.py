"""The scripts, asked one by one: what becomes of a repetition, of a stream that went back, of versions and offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import ResponseError

from tidings.brokers.redis import scripts
from tidings.brokers.redis.scripts import Script
from tidings.testing import RedisServer
from tidings.testing.services.base import ask_until

pytestmark = [pytest.mark.world, pytest.mark.L3]

UNKNOWN = [b"unknown"]
SECOND = 1_000_000
META, STREAM, RESULT = "meta", "stream", "result"
PATIENCE = 10.0

Attempt = tuple[str, int]
"""The reign that a first attempt was sent to, and when, in the server's microseconds."""


class Stream:
    """The stream of one channel on a server. Identities, and epochs on offer, are counted over all servers."""

    count = 0

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis

    def run(self, script: Script, keys: list[str], *arguments: object) -> Any:
        return self.redis.ask("EVAL", script.text, len(keys), *keys, *arguments)

    def append(
        self,
        identity: str = "",
        *,
        size: int = 100,
        ttl_ms: int = 60_000,
        key_ttl_ms: int = 0,
        version: int = 0,
        version_epoch: str = "",
        first: Attempt | None = None,
    ) -> Any:
        """As a node appends: `first` says that this repeats an attempt."""
        Stream.count += 1
        identity = identity or f"id{Stream.count}"
        options = (size, ttl_ms, 3600_000, f"epoch{Stream.count}", "PUBLISH", "bus", key_ttl_ms, version, version_epoch)
        reign, began = first or ("", 0)
        return self.run(scripts.APPEND, [META, STREAM, RESULT], "body", identity, *options, reign, began)

    def read(self, *, since: object = "", limit: object = "", reverse: int = 0) -> Any:
        Stream.count += 1
        return self.run(scripts.READ, [META, STREAM], f"epoch{Stream.count}", 3600_000, since, limit, reverse)

    def retained(self) -> list[int]:
        return [int(identifier.partition(b"-")[0]) for identifier, _ in self.read()[2]]

    def attempt(self) -> Attempt:
        """One that begins now."""
        seconds, microseconds = self.redis.ask("TIME")
        return self.redis.ask("INFO", "replication")["master_replid"], int(seconds) * SECOND + int(microseconds)


@pytest.fixture
def stream(redis: RedisServer) -> Stream:
    return Stream(redis)


# A repetition of an attempt whose outcome nobody knows.


def test_an_attempt_that_was_carried_out_is_found(stream: Stream):
    """Its position is answered as it would have been, and nothing is published again."""
    stream.append()
    first = stream.attempt()
    answered = stream.append("mine")
    stream.append()
    assert stream.append("mine", first=first) == answered
    assert stream.retained() == [1, 2, 3]


def test_an_attempt_that_was_not_carried_out_is_new(stream: Stream):
    """The stream reaches back to before it, and it is not there."""
    offset, epoch, _ = stream.append()
    first = stream.attempt()
    assert stream.append("mine", first=first) == [offset + 1, epoch, 1]


def test_an_attempt_that_others_overtook_is_new(stream: Stream):
    """What they published since is looked through."""
    stream.append()
    first = stream.attempt()
    for _ in range(5):
        stream.append()
    assert stream.append("mine", first=first)[0] == 7
    assert stream.append("mine", first=first)[0] == 7
    assert stream.retained() == list(range(1, 8))


def test_an_attempt_in_a_channel_that_was_only_read_is_new(stream: Stream):
    """Its stream has begun, and nobody has published in it."""
    stream.read()
    assert stream.append("mine", first=stream.attempt())[::2] == [1, 1]


def test_an_attempt_in_a_channel_that_nobody_knows_is_unknown(stream: Stream):
    """It looks like one whose stream was lost since."""
    assert stream.append("mine", first=stream.attempt()) == UNKNOWN


def test_an_attempt_in_a_channel_whose_first_publication_is_retained_is_new(stream: Stream):
    """All that ever was is looked through, though all of it came since."""
    first = stream.attempt()
    for _ in range(3):
        stream.append()
    assert stream.append("mine", first=first)[0] == 4


def test_an_attempt_under_another_reign_is_unknown(stream: Stream):
    """Whatever the data say now, they may have gone back."""
    _, began = stream.attempt()
    stream.append("mine")
    assert stream.append("mine", first=("0" * 40, began)) == UNKNOWN
    assert stream.retained() == [1]


def test_an_attempt_that_may_have_been_trimmed_is_unknown(stream: Stream):
    stream.append()
    first = stream.attempt()
    for _ in range(3):
        stream.append(size=3)
    assert stream.append("mine", size=3, first=first) == UNKNOWN
    assert stream.retained() == [2, 3, 4]


@pytest.mark.parametrize("later", [0, 2])
def test_an_attempt_that_may_have_been_removed_is_unknown(stream: Stream, later: int):
    """Whether others have published since, or not."""
    stream.append()
    first = stream.attempt()
    stream.append("mine")
    stream.redis.ask("DEL", STREAM)
    for _ in range(later):
        stream.append()
    assert stream.append("mine", first=first) == UNKNOWN


def test_an_attempt_that_may_have_expired_is_unknown(stream: Stream):
    first = stream.attempt()
    stream.append("mine", ttl_ms=1)
    assert ask_until(lambda: not stream.redis.ask("EXISTS", STREAM), PATIENCE)
    assert stream.append("mine", first=first) == UNKNOWN


def test_an_attempt_that_cannot_have_been_removed_is_new(stream: Stream):
    """The last publication of all is older than the attempt, though it is not retained any more."""
    stream.append()
    stream.redis.ask("DEL", STREAM)
    assert stream.append("mine", first=stream.attempt())[0] == 2


def test_an_attempt_in_a_stream_that_was_lost_since_is_unknown(stream: Stream):
    """Evicted or flushed: what was carried out before is forgotten, and its subscribers have heard it."""
    first = stream.attempt()
    stream.append("mine")
    stream.redis.ask("DEL", META, STREAM)
    assert stream.append("mine", first=first) == UNKNOWN


def test_an_attempt_with_an_idempotency_key_is_found_by_it(stream: Stream):
    """Though the stream does not reach back; another one's is recognised as another one's."""
    first = stream.attempt()
    offset, epoch, _ = stream.append("mine", key_ttl_ms=60_000)
    stream.redis.ask("DEL", STREAM)
    assert stream.append("mine", key_ttl_ms=60_000, first=first) == [offset, epoch, 1]
    assert stream.append("another's", key_ttl_ms=60_000) == [offset, epoch, 0]


@pytest.mark.parametrize(
    ("known", "reign", "answer"),
    [
        ("", "", [0, b"", 1]),
        ("", "same", [0, b"", 1]),
        ("", "0" * 40, UNKNOWN),
        ("mine", "same", [0, b"", 1]),
        ("mine", "0" * 40, [0, b"", 1]),
        ("another's", "", [0, b"", 0]),
    ],
)
def test_attempts_without_history_are_found_by_their_key(stream: Stream, known: str, reign: str, answer: list[object]):
    arguments = ("message", "mine", "PUBLISH", "bus", 60_000)
    if known:
        stream.run(scripts.PUBLISH, [RESULT], "message", known, *arguments[2:], "")
    reign = stream.attempt()[0] if reign == "same" else reign
    assert stream.run(scripts.PUBLISH, [RESULT], *arguments, reign) == answer


# A stream that was lost, or went back.


@pytest.fixture
def own() -> Iterator[Callable[..., Stream]]:
    """Servers of this test alone."""
    servers: list[RedisServer] = []

    def own(**options: Any) -> Stream:
        servers.append(RedisServer(**options))
        servers[-1].start()
        return Stream(servers[-1])

    yield own
    for server in servers:
        server.stop()


def test_a_restart_begins_a_new_epoch(own: Callable[..., Stream]):
    """The count goes on, and what is retained stays, for readers as well as for the next publication."""
    stream = own(persistent=True)
    epochs = {stream.append()[1] for _ in range(3)}
    stream.redis.restart()
    offset, epoch, entries = stream.read()
    assert (offset, len(entries)) == (3, 3)
    assert epoch not in epochs
    assert stream.append()[:2] == [4, epoch]
    assert stream.retained() == [1, 2, 3, 4]


def test_an_older_snapshot_reuses_no_offset(own: Callable[..., Stream]):
    """What was published after it is lost, and its positions are never given again."""
    stream = own(save="3600 1")
    given = [tuple(stream.append()[:2]) for _ in range(3)]
    stream.redis.ask("SAVE")
    given += [tuple(stream.append()[:2]) for _ in range(3)]
    stream.redis.kill()
    stream.redis.restart()
    assert stream.retained() == [1, 2, 3]
    given += [tuple(stream.append()[:2]) for _ in range(3)]
    assert [offset for offset, _ in given] == [1, 2, 3, 4, 5, 6, 4, 5, 6]
    assert len(set(given)) == len(given)


def test_a_reader_after_an_older_snapshot_sees_the_new_epoch_first(own: Callable[..., Stream]):
    """Before anybody publishes: its position is of another epoch."""
    stream = own(save="3600 1")
    stream.append()
    stream.redis.ask("SAVE")
    _, epoch, _ = stream.append()
    stream.redis.kill()
    stream.redis.restart()
    top, later, _ = stream.read(limit=0)
    assert top == 1
    assert later != epoch
    assert stream.read(limit=0)[1] == later


def test_a_replica_that_lags_reuses_no_offset_when_it_is_promoted(own: Callable[..., Stream]):
    master, replica = own(), own()
    given = [tuple(master.append()[:2]) for _ in range(3)]
    replica.redis.ask("REPLICAOF", "127.0.0.1", master.redis.port)
    assert ask_until(lambda: replica.redis.ask("XLEN", STREAM) == 3, PATIENCE)
    replica.redis.ask("REPLICAOF", "127.0.0.1", 1)  # It stays a replica, and hears nothing more.
    given += [tuple(master.append()[:2]) for _ in range(3)]
    master.redis.kill()
    replica.redis.ask("REPLICAOF", "NO", "ONE")
    given += [tuple(replica.append()[:2]) for _ in range(3)]
    assert [offset for offset, _ in given] == [1, 2, 3, 4, 5, 6, 4, 5, 6]
    assert len(set(given)) == len(given)


def test_a_lost_stream_begins_anew(stream: Stream):
    """What is left of it has the offsets of an earlier life, and goes."""
    _, epoch, _ = stream.append()
    stream.append()
    stream.redis.ask("DEL", META)
    offset, later, _ = stream.append()
    assert offset == 1
    assert later != epoch
    assert stream.retained() == [1]


def test_the_epoch_stays_while_the_reign_does(stream: Stream):
    assert len({stream.append()[1] for _ in range(5)} | {stream.read()[1]}) == 1


# Versions.


@pytest.mark.parametrize("version", [1, 4, 5])
def test_a_version_that_is_not_above_the_last_is_not_published(stream: Stream, version: int):
    """The top is answered; publications without a version in between change nothing."""
    _, epoch, _ = stream.append(version=5)
    stream.append()
    assert stream.append(version=version) == [2, epoch, 0]
    assert stream.append(version=6)[::2] == [3, 1]


def test_versions_of_another_epoch_begin_anew(stream: Stream):
    stream.append(version=5, version_epoch="a")
    assert stream.append(version=5, version_epoch="a")[2] == 0
    assert stream.append(version=1, version_epoch="b")[2] == 1
    assert stream.append(version=2, version_epoch="a")[2] == 1


@pytest.mark.parametrize("version", [9, 99, 2**31, 10**15, 2**53, 2**64 - 2])
def test_versions_are_compared_exactly(stream: Stream, version: int):
    """Up to the largest that the API takes."""
    assert stream.append(version=version)[2] == 1
    assert stream.append(version=version + 1)[2] == 1
    assert stream.append(version=version + 1)[2] == 0
    assert stream.append(version=version)[2] == 0


# Offsets and sizes.


@pytest.mark.parametrize("offset", [2**31, 2**32, 10**15, 2**53 - 3])
def test_big_offsets_are_exact(stream: Stream, offset: int):
    """In the answer, in the stream, in the message, and as a place to read from."""
    stream.append()
    stream.redis.ask("HSET", META, "o", offset)
    assert [stream.append()[0] for _ in range(2)] == [offset + 1, offset + 2]
    assert stream.retained()[-2:] == [offset + 1, offset + 2]
    assert [stream.read(since=since)[0] for since in (offset, offset + 1)] == [offset + 2] * 2
    assert len(stream.read(since=offset + 1)[2]) == 1
    assert len(stream.read(since=offset + 1, reverse=1, limit=1)[2]) == 1
    assert stream.redis.ask("HGET", META, "o") == str(offset + 2).encode()


def test_a_publication_that_is_refused_half_way_blocks_no_later_one(stream: Stream):
    """Its offset is left out: Redis does not undo what a script had done when it failed."""
    stream.append()
    with pytest.raises(ResponseError, match=r"out of range|invalid expire"):
        stream.append(ttl_ms=10**30)
    assert stream.append()[::2] == [3, 1]


def test_a_size_that_shrinks_is_kept_from_the_next_publication_on(stream: Stream):
    for _ in range(10):
        stream.append(size=10)
    stream.append(size=3)
    assert stream.retained() == [9, 10, 11]


@pytest.mark.parametrize("since", [0, 5, 2**63, 2**64 - 1])
def test_a_read_from_any_place_is_a_read(stream: Stream, since: int):
    """Beyond the end as well."""
    for _ in range(3):
        stream.append()
    assert len(stream.read(since=since)[2]) == max(0, 3 - since)
    assert len(stream.read(since=since, reverse=1)[2]) == min(3, max(0, since - 1))
