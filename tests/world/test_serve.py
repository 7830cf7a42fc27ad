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
from tests.world.server import Server, run, serve, uvicorn, written
from tests.world.settings import SETTINGS
from tests.world.visitor import Visitor
from websockets.asyncio.client import connect

pytestmark = pytest.mark.world

CROWD = 600
DRAIN_TIMEOUT = 8.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return written(SETTINGS, tmp_path)


# Starting.


def test_ready_when_it_says_so(config: Path) -> None:
    """Once the process says where it listens, it answers: it lives, is well, and wants a key from whoever publishes."""
    with Server(serve("--config", config)) as server:
        for path in ("/health/live", "/health", "/metrics"):
            assert httpx2.get(server.url + path).status_code == 200
        assert httpx2.post(f"{server.url}/api/publish", json={"channel": "plain:it", "data": 1}).status_code == 401


def test_port_in_use(config: Path) -> None:
    """A port that somebody else has is named in one sentence, and the process ends with 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("serve", "--config", config, "--port", str(port))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(rf"tidings: cannot listen on 127\.0\.0\.1:{port}: .+ choose another --port\.\n", refused.stderr)


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
def test_signal_sends_everybody_away(config: Path, number: signal.Signals) -> None:
    """The first signal tells the clients 3001, which lets them come back, and the process ends with 0."""
    with Server(serve("--config", config)) as server, Visitor(server.websocket) as ada:
        ada.ask(connect={"token": token("ada")})
        server.signal(number)
        assert ada.farewell() == (3001, "shutdown")
        assert server.wait() == 0
        assert "Traceback" not in server.log


def test_uvicorn_sends_everybody_away() -> None:
    """An application that uvicorn hosts tells its clients the same; uvicorn then ends by the signal, as ever."""
    with Server(uvicorn("tests.world.application:app"), mounted="/realtime") as server:
        with Visitor(server.websocket) as ada:
            ada.ask(connect={"token": token("ada")})
            server.signal(signal.SIGTERM)
            assert ada.farewell() == (3001, "shutdown")
        assert server.wait() == -signal.SIGTERM


def test_second_signal_ends_at_once(config: Path) -> None:
    """A client that does not answer the goodbye holds the process up, until a second signal does not wait for it."""
    with Server(serve("--config", config)) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(
            b"GET /connection/websocket HTTP/1.1\r\nHost: tidings.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
        server.signal(signal.SIGTERM)
        assert client.recv(4096) == b"\x88\x0a\x0b\xb9shutdown"
        server.signal(signal.SIGTERM)
        assert server.wait() == 128 + signal.SIGTERM


async def test_crowd_is_sent_away_in_time(tmp_path: Path) -> None:
    """Hundreds of clients are all told, one after another, and the process ends within its time."""
    patient = {"server": {"drain_timeout": DRAIN_TIMEOUT}, "client": {"stale_timeout": 60.0}}
    config = written({**SETTINGS, **patient}, tmp_path)
    with Server(serve("--config", config)) as server:
        crowd = [await connect(server.websocket, compression=None) for _ in range(CROWD)]
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        await asyncio.gather(*(one.wait_closed() for one in crowd))
        assert await asyncio.to_thread(server.wait) == 0
        assert time.monotonic() - began < DRAIN_TIMEOUT
    assert {one.close_code for one in crowd} == {3001}
