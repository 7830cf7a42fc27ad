"""RedisServer: it answers, forgets what it may, keeps what it must, and says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pytest
from redis.exceptions import RedisError, ResponseError
from tests.testing.services.programs import need

from tidings.testing.services import RedisServer, ServiceError

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture(autouse=True)
def redis_is_installed(environment: object) -> None:
    need(RedisServer)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as redis:
        yield redis


def test_it_answers(redis: RedisServer):
    assert redis.ask("SET", "a", "1") is True
    assert redis.ask("GET", "a") == b"1"


async def test_it_answers_in_asynchronous_code():
    async with RedisServer() as redis:
        assert redis.ask("PING") is True


def test_two_know_nothing_of_each_other(redis: RedisServer):
    with RedisServer() as other:
        redis.ask("SET", "a", "1")
        assert other.ask("DBSIZE") == 0
        assert other.url != redis.url


def test_what_it_keeps_in_memory_is_gone_after_a_restart(redis: RedisServer):
    """On the same port."""
    url = redis.url
    redis.ask("SET", "a", "1")
    redis.kill()
    with pytest.raises(RedisError):
        redis.ask("PING")
    redis.restart()
    assert redis.url == url
    assert redis.ask("DBSIZE") == 0


def test_a_persistent_one_keeps_its_data():
    """Over kill and restart, to the last key."""
    with RedisServer(persistent=True) as redis:
        redis.ask("SET", "a", "1")
        redis.kill()
        redis.restart()
        assert redis.ask("GET", "a") == b"1"
        redis.restart()
        assert redis.ask("GET", "a") == b"1"


def test_a_directory_of_ones_own_keeps_data_from_block_to_block(tmp_path: Path):
    for expected in (None, b"1"):
        with RedisServer(persistent=True, directory=tmp_path) as redis:
            assert redis.ask("GET", "a") == expected
            redis.ask("SET", "a", "1")


def test_a_directory_of_something_else_is_told(tmp_path: Path):
    """A stale one, or one that another program has made."""
    (tmp_path / "dump.rdb").write_bytes(b"not of Redis")
    with pytest.raises(ServiceError, match="The data directory is of another program or version; remove it"):
        RedisServer(directory=tmp_path, save="900 1").start()
    assert (tmp_path / "dump.rdb").read_bytes() == b"not of Redis"


def test_options_are_as_in_the_configuration_file():
    with RedisServer(maxmemory="32mb", save="900 1 300 10", requirepass="s3cr/t") as redis:
        assert redis.ask("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"33554432"}
        assert redis.ask("CONFIG", "GET", "save") == {b"save": b"900 1 300 10"}


def test_an_option_that_it_does_not_know_is_told():
    with pytest.raises(ServiceError) as failure:
        RedisServer(no_such_thing="1").start()
    said = str(failure.value)
    assert said.startswith("redis ended with 1 while it was starting.\nThis Redis does not know one of the options")
    assert "no-such-thing 1" in said


def test_its_report_is_how_it_is(redis: RedisServer):
    redis.kill()
    lines = redis.report().splitlines()
    assert lines[0].startswith(
        f"<RedisServer at {redis.url}, <redis-server, process {redis.process.pid}, ended with -9"
    )
    assert lines[1] == "It wrote at last:"
    assert "Ready to accept connections" in lines[-1]


def test_a_paused_one_does_not_answer(redis: RedisServer):
    """It is not ready, and that is found out soon."""
    redis.pause()
    assert redis.is_running
    assert not redis.is_ready()
    redis.resume()
    assert redis.ask("PING") is True


def test_faults_may_let_it_sleep(redis: RedisServer):
    assert redis.ask("DEBUG", "SLEEP", "0") == b"OK"


def test_errors_of_commands_are_the_clients(redis: RedisServer):
    with pytest.raises(ResponseError):
        redis.ask("NO-SUCH-COMMAND")


# Forgetting.


def test_it_forgets_what_is_in_its_database(redis: RedisServer, environment: MutableMapping[str, str]):
    """And nothing of other databases."""
    redis.ask("SET", "a", "1")
    environment["REDIS_URL"] = redis.url.replace("/0", "/3")
    with RedisServer() as given:
        given.ask("SET", "b", "1")
        given.clear()
        assert given.ask("DBSIZE") == 0
    assert redis.ask("DBSIZE") == 1
    redis.clear()
    assert redis.ask("DBSIZE") == 0


@pytest.mark.parametrize("ending", ["/0", "", "?db=0"])
def test_database_0_of_somebody_else_is_never_forgotten(
    redis: RedisServer, environment: MutableMapping[str, str], ending: str
):
    """A sentence says how to have a database that may be."""
    redis.ask("SET", "a", "1")
    environment["REDIS_URL"] = redis.url.removesuffix("/0") + ending
    with (
        RedisServer() as given,
        pytest.raises(ServiceError, match=r"REDIS_URL names database 0.*name another database"),
    ):
        given.clear()
    assert redis.ask("GET", "a") == b"1"
