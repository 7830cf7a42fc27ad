"""PostgresServer: an empty database for every test, and data that outlive the server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pytest
from tests.testing.services.programs import need

from tidings.testing.services import Missing, PostgresServer, ServiceError
from tidings.testing.services.base import ask_until
from tidings.testing.services.postgres import for_libpq, in_database

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    need(PostgresServer)
    with PostgresServer() as postgres:
        yield postgres


def tables(postgres: PostgresServer, url: str) -> str:
    return postgres.ask("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace", url=url)


def test_it_answers(postgres: PostgresServer):
    assert postgres.ask("SELECT 1, 'two'") == "1|two"
    assert postgres.ask("SHOW server_encoding") == "UTF8"
    assert postgres.url == f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres"


def test_it_does_not_run_as_root(postgres: PostgresServer):
    owner = Path(f"/proc/{postgres.process.pid}").stat().st_uid
    assert owner != 0
    assert owner == os.geteuid() or os.geteuid() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="is about root")
def test_root_without_a_user_for_it_is_told(environment: object):
    class Nobodys(PostgresServer):
        account = "nobody-of-this-name"

    need(PostgresServer)
    with pytest.raises(Missing) as failure:
        Nobodys().start()
    assert str(failure.value) == (
        "postgres refuses to run as root, and there is no user nobody-of-this-name to run as: adduser --system "
        "nobody-of-this-name, or run the tests as somebody else, or name a running one in POSTGRES_URL."
    )


def test_each_database_is_new_and_empty(postgres: PostgresServer):
    one, other = postgres.database(), postgres.database()
    postgres.ask("CREATE TABLE mine (number int)", url=one)
    assert one != other
    assert tables(postgres, one) == "mine"
    assert tables(postgres, other) == tables(postgres, postgres.database()) == ""


def test_a_database_can_be_the_copy_of_another(postgres: PostgresServer):
    """Tables are made once, and each test has them."""
    template = postgres.database()
    postgres.ask("CREATE TABLE mine AS SELECT 42 AS number", url=template)
    copy = postgres.database(template=template.rpartition("/")[2])
    assert postgres.ask("SELECT number FROM mine", url=copy) == "42"


def test_data_outlive_kill_and_restart(postgres: PostgresServer):
    """To the last transaction, and on the same port."""
    url = postgres.database()
    postgres.ask("CREATE TABLE mine (number int)", url=url)
    postgres.ask("INSERT INTO mine VALUES (1)", url=url)
    postgres.kill()
    with pytest.raises(ServiceError, match="Connection refused"):
        postgres.ask("SELECT 1")
    postgres.restart()
    assert postgres.ask("SELECT number FROM mine", url=url) == "1"
    postgres.restart()
    assert postgres.ask("SELECT number FROM mine", url=url) == "1"


def test_clients_do_not_keep_it_from_stopping(postgres: PostgresServer, environment: object):
    """A connection that a test has forgotten is cut."""
    psql = postgres._psql()
    client = subprocess.Popen([psql, "-XAtq", "-d", postgres.url], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql'"
    assert ask_until(lambda: postgres.ask(sessions) == "2", 10.0)
    begun = time.monotonic()
    postgres.restart()
    assert time.monotonic() - begun < postgres.patience / 2
    client.communicate()


def test_nothing_is_left_in_the_system_of_one_that_was_killed(environment: object):
    """Its segment of shared memory is given back; other shared memory was in its directory all the time."""
    need(PostgresServer)
    with PostgresServer() as postgres:
        assert postgres.ask("SHOW dynamic_shared_memory_type") == "mmap"
        segment = str(int((postgres.data / "postmaster.pid").read_text().splitlines()[6].split()[1]))
        postgres.kill()
        directory = postgres.directory
    assert segment not in [line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()]
    assert not directory.exists()


def test_what_it_refuses_is_told(postgres: PostgresServer):
    with pytest.raises(ServiceError, match=r'refused: SELECT nothing_like_it\n.*"nothing_like_it" does not exist'):
        postgres.ask("SELECT nothing_like_it")


def test_an_option_that_it_does_not_know_is_told(environment: object):
    need(PostgresServer)
    with pytest.raises(ServiceError, match="This PostgreSQL does not know one of the options"):
        PostgresServer(no_such_thing="1").start()


# Directories.


@pytest.fixture
def open_directory(environment: MutableMapping[str, str]) -> Iterator[Path]:
    """One below which every user may go."""
    directory = Path(tempfile.mkdtemp(prefix="tests-of-tidings-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def test_a_directory_of_ones_own_keeps_data_from_block_to_block(open_directory: Path):
    need(PostgresServer)
    with PostgresServer(directory=open_directory / "kept") as postgres:
        postgres.ask("CREATE TABLE mine AS SELECT 42 AS number")
        postgres.kill()
    with PostgresServer(directory=open_directory / "kept") as postgres:
        assert postgres.ask("SELECT number FROM mine") == "42"


def test_a_directory_of_another_version_is_told(open_directory: Path):
    need(PostgresServer)
    with PostgresServer(directory=open_directory) as postgres:
        (postgres.data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ServiceError, match="The data directory is of another version of PostgreSQL; remove it"):
        PostgresServer(directory=open_directory).start()


def test_a_damaged_directory_is_told(open_directory: Path):
    need(PostgresServer)
    (open_directory / "data").mkdir()
    (open_directory / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(ServiceError, match="The data directory is damaged; remove it"):
        PostgresServer(directory=open_directory).start()


def test_a_directory_of_something_else_is_told(open_directory: Path):
    need(PostgresServer)
    (open_directory / "data").mkdir(mode=0o777)
    (open_directory / "data" / "letter").write_text("dear")
    with pytest.raises(ServiceError, match="The data directory holds something else"):
        PostgresServer(directory=open_directory).start()
    assert (open_directory / "data" / "letter").read_text() == "dear"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as another user: run the tests as root")
def test_a_place_where_its_user_may_not_go_is_told(tmp_path: Path):
    need(PostgresServer)
    tmp_path.chmod(0o700)
    with pytest.raises(ServiceError, match="The user postgres may not go there; let TMPDIR name a directory"):
        PostgresServer(directory=tmp_path / "closed").start()


# One that the environment names.


def test_databases_are_made_in_one_that_is_given_and_dropped_after_the_block(
    postgres: PostgresServer, environment: MutableMapping[str, str]
):
    """Its own are not touched."""
    environment["DATABASE_URL"] = postgres.url.replace("postgresql:", "postgresql+asyncpg:")
    names = "SELECT count(*) FROM pg_database WHERE datname = "
    with PostgresServer() as given:
        assert given.given == environment["DATABASE_URL"]
        url = given.database()
        assert url.startswith("postgresql+asyncpg://")
        name = url.rpartition("/")[2]
        assert postgres.ask(f"{names}'{name}'") == "1"
    assert postgres.ask(f"{names}'{name}'") == "0"


def test_a_database_of_another_kind_is_told(environment: MutableMapping[str, str]):
    environment["DATABASE_URL"] = "sqlite:///mine.db"
    with pytest.raises(ServiceError, match=r"DATABASE_URL is 'sqlite:///mine.db', which does not name a postgres"):
        PostgresServer().start()
    environment["POSTGRES_URL"] = "postgresql://elsewhere"
    assert PostgresServer.address() == "postgresql://elsewhere"


def test_addresses_are_taken_apart():
    """The driver and the password are not for a command line; the database can be another."""
    url = "postgresql+asyncpg://me:p%40ss@h:5432/mine?sslmode=require"
    assert for_libpq(url) == ("postgresql://me@h:5432/mine?sslmode=require", "p@ss")
    assert in_database(url, "other") == "postgresql+asyncpg://me:p%40ss@h:5432/other?sslmode=require"
