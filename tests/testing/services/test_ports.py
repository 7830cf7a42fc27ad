"""Ports: nobody is given one that somebody else has."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tidings.testing.services import ports

pytestmark = pytest.mark.shell

RESERVE_MANY = f"""
import runpy, sys
reserve = runpy.run_path({ports.__file__!r})["reserve"]
print(*(reserve() for _ in range(300)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def port() -> Iterator[int]:
    port = ports.reserve()
    yield port
    ports.release(port)


def test_processes_are_given_different_ports():
    """Four processes at once with 300 ports each: every port is there once."""
    with_pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", RESERVE_MANY], **with_pipes) for _ in range(4)]
    told = [process.stdout.readline().split() for process in processes]
    for process in processes:
        process.communicate()
    given = [port for line in told for port in line]
    assert len(given) == 4 * 300
    assert len({*given}) == len(given)


def test_a_port_can_be_listened_on(port: int):
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_a_port_comes_from_below_those_of_outgoing_connections(port: int):
    assert ports.FIRST <= port < ports.LAST < 32768


def test_a_port_on_which_somebody_listens_is_passed_over(port: int):
    """A program that knows nothing of our locks has one; whoever asks next is given another."""
    with socket.create_server(("127.0.0.1", port)):
        ports.release(port)
        others = [ports.reserve() for _ in range(200)]
        assert port not in others
    for other in others:
        ports.release(other)


def test_a_port_is_given_again_after_its_process_has_ended():
    """The lock is the process's: nothing has to be tidied up after a crash."""
    script = f"import os, runpy; print(runpy.run_path({ports.__file__!r})['reserve'](), flush=True); os._exit(1)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False).stdout
    assert ports.claim(told.strip())
    ports.release(int(told))


def test_releasing_twice_is_harmless():
    port = ports.reserve()
    ports.release(port)
    ports.release(port)


def test_what_is_shared_can_be_claimed_by_one_process():
    """Whatever it is, by a name that all of them use."""
    script = f"import runpy; print(runpy.run_path({ports.__file__!r})['claim']('redis-of-a-test'))"
    assert ports.claim("redis-of-a-test")
    assert not ports.claim("redis-of-a-test")
    told = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout]
    ports.disclaim("redis-of-a-test")
    told += [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout]
    assert told == ["False\n", "True\n"]
