"""Containers in place of programs: what is promised of a service holds for them as well.

Collected only where there are an engine, testcontainers and the images: see `conftest.py` and `engine`.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ResponseError
from tests.testing.services.containers import (
    NOWHERE,
    NatsInContainer,
    PostgresInContainer,
    RedisInContainer,
    containers,
)

from tidings.testing.faults import Fault, Kill, OutOfMemory, Pause, Restart, Resume, Sleep
from tidings.testing.services import Missing, RedisServer, ServiceError, SharedService, ports
from tidings.testing.services.patience import ask_until
from tidings.testing.services.reaper import GRACE

pytestmark = [pytest.mark.world, pytest.mark.L3]

ROOT = Path(__file__).parents[3]
MARGIN = 8.0
"""Seconds beyond the reaper's grace: an engine takes its time to remove a container."""

Make = Callable[[], SharedService]
KINDS: list[Make] = [RedisInContainer, PostgresInContainer, lambda: NatsInContainer(jetstream=True)]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No container of this test, and no port of ours."""
    yield
    assert containers(os.getpid()) == []
    assert ports._held == {}


# What is promised of every service.


@pytest.mark.parametrize("make", KINDS, ids=["redis", "postgres", "nats"])
def test_it_is_ready_and_stays_where_it_is_over_kill_and_restart(make: Make):
    with make() as service:
        assert service.is_ready()
        before = service.port, service.url
        service.kill()
        assert not service.is_running
        assert not service.is_ready()
        assert "ended with 137" in service.report()
        service.restart()
        assert service.is_ready()
        assert (service.port, service.url) == before
    assert not service.is_running


@pytest.mark.parametrize("make", KINDS, ids=["redis", "postgres", "nats"])
async def test_it_hangs_while_it_is_paused(make: Make):
    """It still accepts connections, by its kernel or its engine, and does not answer."""
    async with make() as service:
        service.pause()
        assert service.is_running
        assert not service.is_ready()
        service.resume()
        assert service.is_ready()
        service.pause()  # And one that is paused can be stopped all the same.


@pytest.mark.parametrize("make", KINDS, ids=["redis", "postgres", "nats"])
def test_its_last_words_are_in_the_failure(make: Make):
    with pytest.raises(ZeroDivisionError) as failure, make() as service:
        _ = 1 / 0
    (note,) = failure.value.__notes__
    assert f"<{service.image}, container tidings-" in note
    assert "ready" in note.lower()


# Each of them.


def test_redis_keeps_its_data_if_it_is_persistent():
    with RedisInContainer(persistent=True) as redis:
        redis.ask("SET", "key", "value")
        redis.kill()
        redis.restart()
        assert redis.ask("GET", "key") == b"value"


def test_redis_begins_without_keys():
    with RedisInContainer() as first, RedisInContainer() as second:
        first.ask("SET", "key", "value")
        assert second.ask("DBSIZE") == 0
        first.clear()
        assert first.ask("DBSIZE") == 0


def test_redis_has_its_options():
    with RedisInContainer(save="900 1", maxmemory="32mb", requirepass="secret") as redis:
        assert ":secret@" in redis.url
        assert redis.ask("CONFIG", "GET", "save") == {b"save": b"900 1"}
        assert redis.ask("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"33554432"}


def test_postgres_makes_databases_without_a_psql_of_this_machine():
    with PostgresInContainer(max_connections="7") as postgres:
        first, second = postgres.database(), postgres.database()
        postgres.ask("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)", url=first)
        assert postgres.ask("SELECT n FROM t", url=first) == "1\n2"
        with pytest.raises(ServiceError, match=r'refused: SELECT n FROM t\nERROR:  relation "t" does not exist'):
            postgres.ask("SELECT n FROM t", url=second)
        assert postgres.ask("SHOW max_connections") == "7"
        postgres.kill()
        postgres.restart()
        assert postgres.ask("SELECT n FROM t", url=first) == "1\n2"


def test_nats_has_jetstream():
    with NatsInContainer(jetstream=True) as nats:
        assert nats.info()["jetstream"] is True


# Faults.


@pytest.mark.parametrize(
    ("fault", "did"),
    [
        (Kill, r"ended process \d+"),
        (Pause, r"stopped process \d+ in its tracks"),
        (Restart, r"replaced process \d+ by \d+"),
    ],
)
def test_faults_have_an_effect(fault: Callable[[RedisServer], Fault], did: str):
    with RedisInContainer() as redis:
        with fault(redis) as done:
            pass
        assert re.fullmatch(did, done.effect())
        assert redis.ask("PING") is True


def test_a_pause_of_open_end_is_ended_by_resume():
    with RedisInContainer() as redis:
        redis.pause()
        with Resume(redis) as done:
            assert redis.ask("PING") is True
        assert done.effect().startswith("let process")


def test_faults_of_redis_reach_it_through_its_port():
    """Also those that need to be allowed: no connection to a container is a local one."""
    with RedisInContainer() as redis:
        with Redis.from_url(redis.url) as other:
            other.ping()
            with Sleep(redis, seconds=0.1) as sleeping:
                pass
        assert sleeping.effect() == "let 1 client wait for 0.1 s"
        with OutOfMemory(redis), pytest.raises(ResponseError, match="used memory"):
            redis.ask("SET", "a", "b")


# When it does not work.


def test_one_that_dies_while_starting_is_told_with_its_last_words():
    with pytest.raises(ServiceError) as failure:
        RedisInContainer(no_such_option="1").start()
    told = str(failure.value)
    assert told.startswith("redis ended with 1 while it was starting.\n")
    assert "This Redis does not know one of the options" in told
    assert "no-such-option" in told


def test_an_image_that_cannot_be_had_is_told():
    class Nowhere(RedisInContainer):
        image = "localhost:1/nobody/has-this:1"

    told = (
        r"of localhost:1/nobody/has-this:1 could not be made \(`docker pull localhost:1/nobody/has-this:1` may say more"
    )
    with pytest.raises(ServiceError, match=told):
        Nowhere().start()


def test_a_directory_is_refused(tmp_path: Path):
    with pytest.raises(
        ServiceError, match=rf"cannot keep its data in {tmp_path}: install it \(apt-get install redis-se"
    ):
        RedisInContainer(directory=tmp_path).start()


def test_it_has_no_process_here():
    with RedisInContainer() as redis:
        with pytest.raises(ServiceError, match="runs in a container, and so has no process here; take its `program`"):
            _ = redis.process
        assert redis.program.code is None


def test_an_occupied_port_is_told():
    """Another program has taken it while ours was down."""
    with RedisInContainer() as redis:
        redis.kill()
        with (
            socket.create_server(("127.0.0.1", redis.port)),
            pytest.raises(ServiceError, match="another program listens"),
        ):
            redis.restart()
        redis.restart()
        assert redis.ask("PING") is True


@pytest.mark.parametrize(
    ("host", "reason"),
    [("unix:///nowhere.sock", "Docker does not run"), ("tcp://192.0.2.1:2375", "DOCKER_HOST names another machine")],
)
def test_an_engine_that_is_not_there_is_told(environment: MutableMapping[str, str], host: str, reason: str):
    environment["DOCKER_HOST"] = host
    with pytest.raises(Missing, match=rf"or let it run in a container \({reason}"):
        RedisInContainer.require()


# When the test process ends before its time.

SCRIPT = """
import signal
from tidings.testing.services import RedisServer
class RedisInContainer(RedisServer):
    programs = NOWHERE
with RedisInContainer() as redis:
    THEN
    print(redis.program.name, flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("then", ["pass", "redis.pause()"], ids=["busy", "paused"])
def test_nothing_outlives_a_test_run_that_is_killed(then: str):
    script = SCRIPT.replace("NOWHERE", repr(NOWHERE)).replace("THEN", then)
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True)
    with run:
        assert run.stdout is not None
        name = run.stdout.readline().strip()
        assert containers(run.pid) == [name]
        os.killpg(run.pid, signal.SIGKILL)
    assert ask_until(lambda: containers(run.pid) == [], GRACE + MARGIN)


def test_a_start_that_is_given_up_leaves_nothing():
    """As cancelling does, from another thread."""

    class NeverReady(RedisInContainer):
        def is_ready(self) -> bool:
            starting.set()
            return False

    starting = threading.Event()
    redis = NeverReady()
    giving_up = threading.Thread(target=lambda: starting.wait(20.0) and redis.give_up())
    giving_up.start()
    with pytest.raises(ServiceError, match="given up while it was starting"):
        redis.start()
    giving_up.join()
