"""Services: where they are found, what can be done to them, and what is said when that fails."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import MutableMapping
from pathlib import Path

import pytest
from tests.testing.services.programs import DEAF, FOREVER, READY, Script, need

from tidings.testing.services import AsgiApp, Missing, RedisServer, ServiceError, ports
from tidings.testing.services.found import without_password

pytestmark = [pytest.mark.world, pytest.mark.L3]

ROOT = Path(__file__).parents[3]

Environment = MutableMapping[str, str]


# Where it is found.


def test_one_that_the_environment_names_is_taken_as_it_is(environment: Environment):
    """Also where the program is installed; and it is still there after the block."""
    need(RedisServer)
    with RedisServer() as real:
        environment["REDIS_URL"] = real.url.replace("/0", "/3")
        with RedisServer() as given:
            assert given.url == given.given == environment["REDIS_URL"]
            assert given.ask("PING") is True
        assert real.ask("PING") is True


def test_the_first_variable_counts(environment: Environment):
    environment["REDIS_URL"] = "redis://second"
    assert RedisServer.address() == "redis://second"
    environment["REDIS_TEST_URL"] = "redis://first"
    assert RedisServer.address() == "redis://first"


def test_one_that_is_given_is_not_harmed(environment: Environment):
    """What belongs to somebody else is neither killed nor paused, and a sentence says how to have one's own."""
    need(RedisServer)
    with RedisServer() as real:
        environment["REDIS_URL"] = real.url
        with RedisServer() as given:
            for harm in (given.kill, given.pause, given.resume, given.restart):
                with pytest.raises(ServiceError, match=r"given by REDIS_URL.*somebody else.*unset the variable"):
                    harm()
        assert real.is_running


def test_one_that_is_given_and_not_there_is_told(environment: Environment):
    """Without its password, and after a short while."""
    port = ports.reserve()
    environment["REDIS_URL"] = f"redis://:secret@127.0.0.1:{port}"
    redis = RedisServer()
    redis.patience_with_given = 0.2
    with pytest.raises(ServiceError) as failure:
        redis.start()
    ports.release(port)
    assert str(failure.value) == (
        f"redis at redis://:…@127.0.0.1:{port} does not answer: start it, or unset REDIS_URL to have one of your own."
    )


def test_an_address_of_something_else_is_told(environment: Environment):
    environment["REDIS_URL"] = "localhost:6379"
    with pytest.raises(ServiceError, match="'localhost:6379', which does not name a redis: begin it with redis://"):
        RedisServer.require()


def test_the_program_comes_next():
    need(RedisServer)
    with RedisServer() as redis:
        assert redis.given == ""
        assert Path(redis.process.command[0]).name == "redis-server"


def test_without_program_and_container_it_is_missing(environment: Environment, tmp_path: Path):
    """The sentence names the package, the variable, and what is in the way of a container."""
    environment["PATH"] = str(tmp_path)
    with pytest.raises(Missing) as failure:
        RedisServer().start()
    assert str(failure.value) == (
        "redis is not installed: apt-get install redis-server, or name a running one in REDIS_TEST_URL, or let it run "
        "in a container (Docker is not installed)."
    )


def test_programs_that_are_not_on_the_path_are_looked_for(environment: Environment, tmp_path: Path):
    """Servers are often in folders that ordinary users do not have on their path."""

    class Elsewhere(RedisServer):
        programs = ("some-server",)
        folders = (f"{tmp_path.relative_to('/')}/*/bin",)

    for version in ("15", "16"):
        program = tmp_path / version / "bin" / "some-server"
        program.parent.mkdir(parents=True)
        program.touch(mode=0o755)
    assert Elsewhere.find("some-server") == str(tmp_path / "16" / "bin" / "some-server")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://:p%40ss@h:1", "redis://:…@h:1"),
        ("postgresql://me:secret@h/db", "postgresql://me:…@h/db"),
        ("redis://[bad", "redis:…"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str):
    assert without_password(url) == shown


# What is said when it fails.


def test_one_that_dies_while_starting_is_told_with_its_last_words():
    script = Script("print('cannot go on'); raise SystemExit(3)")
    with pytest.raises(ServiceError) as failure:
        script.start()
    assert str(failure.value) == "script ended with 3 while it was starting.\nIt wrote at last:\ncannot go on"


def test_one_that_is_never_ready_is_told_and_ended():
    script = Script(READY.replace("ready", "not yet") + FOREVER, patience=0.3)
    with pytest.raises(ServiceError, match=r"script was not ready within 0\.3 s\.\nIt wrote at last:\nnot yet"):
        script.start()
    assert not script.is_running
    assert script.port == 0


def test_a_program_that_cannot_be_started_is_told():
    class Nowhere(Script):
        def command(self) -> list[str]:
            return ["/nowhere/program"]

    script = Nowhere("")
    with pytest.raises(ServiceError, match=r"script could not be started: .*/nowhere/program"):
        script.start()
    assert script.port == 0


def test_an_occupied_port_is_told():
    """Another program has taken it while ours was down: it must not answer in our name."""
    with Script(READY + FOREVER) as script:
        script.kill()
        occupied = rf"another program listens on its port, 127\.0\.0\.1:{script.port}"
        with socket.create_server(("127.0.0.1", script.port)), pytest.raises(ServiceError, match=occupied):
            script.restart()
        script.restart()
        assert script.is_running


def test_hints_are_given_for_what_is_known(tmp_path: Path):
    with pytest.raises(ServiceError, match="Name the application as module:attribute, and in `folder` where"):
        AsgiApp("nowhere_at_all:app", folder=tmp_path).start()


def test_an_unknown_server_is_told():
    with pytest.raises(
        ServiceError, match="no server 'gunicorn' for an application: name uvicorn, hypercorn, granian or daphne"
    ):
        AsgiApp("main:app", server="gunicorn")


# What can be done to it.


def test_port_and_directory_stay_over_kill_and_restart():
    with Script(READY + FOREVER) as script:
        before = script.port, script.directory, script.process.pid
        script.kill()
        assert not script.is_running
        assert "ended with -9 (SIGKILL)" in script.report()
        script.restart()
        assert (script.port, script.directory) == before[:2]
        assert script.process.pid != before[2]


def test_who_has_ended_cannot_be_paused():
    with Script(READY + FOREVER) as script:
        script.kill()
        for harm in (script.pause, script.resume):
            with pytest.raises(ServiceError, match=r"script has ended with -9 \(SIGKILL\).*`restart` starts it again"):
                harm()


def test_nothing_can_be_done_outside_of_the_block():
    with pytest.raises(ServiceError, match="script does not run here"):
        Script(READY).kill()


def test_one_that_does_not_listen_is_ended_by_force():
    script = Script(DEAF + READY + FOREVER)
    with script:
        process, script.patience = script.process, 0.1
    assert process.code == -signal.SIGKILL


# A directory that is kept.


def test_a_directory_of_ones_own_is_kept(tmp_path: Path):
    script = "from pathlib import Path\nopen('times', 'a').write('x')\n" + READY + FOREVER
    for _ in range(2):
        with Script(script, directory=tmp_path / "kept") as one:
            assert one.directory == tmp_path / "kept"
    assert (tmp_path / "kept" / "times").read_text() == "xx"


def test_a_directory_that_is_in_use_is_refused(tmp_path: Path):
    with Script(READY + FOREVER, directory=tmp_path) as script:
        with pytest.raises(ServiceError, match=f"{tmp_path} is in use by another script; give each its own"):
            Script(READY, directory=tmp_path).start()
        assert script.is_running


def test_a_directory_that_is_none_is_told(tmp_path: Path):
    """And no port is kept for it."""
    held = dict(ports._held)  # by services that other tests of this process share
    (tmp_path / "file").touch()
    for directory, reason in ((tmp_path / "file", "File exists"), (tmp_path / "file" / "below", "Not a directory")):
        script = Script(READY + FOREVER, directory=directory)
        with pytest.raises(ServiceError) as failure:
            script.start()
        assert str(failure.value) == (
            f"script cannot keep its data in {directory}: {reason}; name a directory that it can write to."
        )
        assert (script.port, ports._held) == (0, held)


def test_nobody_else_is_ended_in_a_directory_that_is_kept(tmp_path: Path):
    """Only directories of our own making are cleared of those who work there."""
    stranger = subprocess.Popen([sys.executable, "-c", FOREVER], cwd=tmp_path, start_new_session=True)
    with Script(READY + FOREVER, directory=tmp_path):
        pass
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


# Again and again.


def test_twenty_starts_in_a_row():
    need(RedisServer)
    held = dict(ports._held)
    for _ in range(20):
        with RedisServer() as redis:
            assert redis.ask("PING") is True
    assert ports._held == held


def test_starts_that_are_interrupted_at_any_moment_leave_nothing():
    """Ctrl-C is pressed 25 times, each time a little later, while Redis starts in a process that lives on."""
    need(RedisServer)
    script = Path(__file__).with_name("interrupted.py")
    told = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert told.stdout == "interrupted, and nothing is left\n", told.stdout + told.stderr
