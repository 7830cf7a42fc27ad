"""`tidings serve` as a process: how it starts, how it refuses to, and how it stops."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import time
from pathlib import Path

import httpx2
import pytest
from tests.world.backend import token
from tests.world.command import PATIENCE, command, run, written
from tests.world.conftest import MOUNTED, hosted
from tests.world.settings import SETTINGS

from tidings.testing import Client, ManyClients, TidingsNode
from tidings.testing.clients import Closing
from tidings.testing.services.node import environment
from tidings.testing.services.process import Process

pytestmark = [pytest.mark.world, pytest.mark.L3]

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
CROWD = 600
DRAIN_TIMEOUT = 8.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return written(SETTINGS, tmp_path)


# Starting.


def test_ready_when_it_says_so(config: Path, tmp_path: Path) -> None:
    """Once the process says where it listens, it answers: it lives, is well, and wants a key from whoever publishes.

    Nothing is asked before that, and the port is one that the kernel chose.
    """
    serve = command("serve", "--config", config, "--port", "0")
    with Process(serve, directory=tmp_path, output=tmp_path / "output.log", environment=environment()) as server:
        (url,) = ADDRESS.findall(server.line(ADDRESS, timeout=PATIENCE))
        for path in ("/health/live", "/health", "/metrics"):
            assert httpx2.get(url + path).status_code == 200
        assert httpx2.post(f"{url}/api/publish", json={"channel": "plain:it", "data": 1}).status_code == 401


def test_a_secret_that_can_be_guessed() -> None:
    """It is said at the start, by its name, and not shown; a good one is not mentioned."""
    with TidingsNode({"auth": {"hmac_secret": "changeme"}, "api": {"key": "Wn5-cY8uJ_3kHdT1pZqL6bRx"}}) as server:
        assert server.process.line(r"\[auth\] hmac_secret can be guessed")
        assert "changeme" not in server.process.log
        assert "[api] key" not in server.process.log


def test_port_in_use(config: Path) -> None:
    """A port that somebody else has is named in one sentence, and the process ends with 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("serve", "--config", config, "--port", str(port))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(rf"tidings: cannot listen on 127\.0\.0\.1:{port}: .+ choose another --port\.\n", refused.stderr)


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--port", "-1"], ["--workers", "0"]])
def test_a_flag_out_of_range(arguments: list[str]) -> None:
    """Is a mistake in the call, which is named."""
    refused = run("serve", *arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert arguments[0] in refused.stderr and arguments[1] in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--workers", "2"], "workers"),
        (["--broker", "redis://127.0.0.1"], "redis"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
        (["--demo", "--host", "0.0.0.0"], "--demo"),
    ],
)
def test_refuses_to_start(arguments: list[str], named: str) -> None:
    """What cannot be served is named in one line, and the process ends with 1."""
    refused = run("serve", "--port", "0", *arguments)
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert line.startswith("tidings: ")
    assert named in line


# Stopping.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_sends_everybody_away(number: signal.Signals) -> None:
    """The first signal tells the clients 3001, which lets them come back, and the process ends with 0."""
    async with TidingsNode(SETTINGS) as server, Client(server.websocket, token=token("ada"), patience=PATIENCE) as ada:
        server.process.signal(number)
        assert await ada.expect_closed(timeout=PATIENCE) == Closing(3001, "shutdown")
        assert await asyncio.to_thread(server.process.wait, PATIENCE) == 0
        assert "Traceback" not in "\n".join(server.process.lines)


async def test_uvicorn_sends_everybody_away() -> None:
    """An application that uvicorn hosts tells its clients the same; uvicorn then ends by the signal, as ever."""
    async with hosted() as server:
        async with Client(server.websocket(MOUNTED), token=token("ada"), patience=PATIENCE) as ada:
            server.process.signal(signal.SIGTERM)
            assert await ada.expect_closed(timeout=PATIENCE) == Closing(3001, "shutdown")
        assert await asyncio.to_thread(server.process.wait, PATIENCE) == -signal.SIGTERM


def test_second_signal_ends_at_once() -> None:
    """A client that does not answer the goodbye holds the process up, until a second signal does not wait for it.

    No client of ours hears a goodbye and does not answer, so this one is a bare socket.
    """
    with TidingsNode(SETTINGS) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(
            b"GET /connection/websocket HTTP/1.1\r\nHost: tidings.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
        server.process.signal(signal.SIGTERM)
        assert client.recv(4096) == b"\x88\x0a\x0b\xb9shutdown"
        server.process.signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 128 + signal.SIGTERM


async def test_crowd_is_sent_away_in_time() -> None:
    """Hundreds of clients are all told, one after another, and the process ends within its time."""
    patient = {"server": {"drain_timeout": DRAIN_TIMEOUT}, "client": {"stale_timeout": 60.0}}
    async with TidingsNode({**SETTINGS, **patient}) as server, ManyClients(CROWD, server.websocket) as crowd:
        began = time.monotonic()
        server.process.signal(signal.SIGTERM)
        assert await crowd.wait_closed(timeout=PATIENCE) == {3001: CROWD}
        assert await asyncio.to_thread(server.process.wait, PATIENCE) == 0
        assert time.monotonic() - began < DRAIN_TIMEOUT
