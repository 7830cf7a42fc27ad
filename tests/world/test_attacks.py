"""What a hostile client tries on a server in its own process, with bare sockets. Afterwards the server is as before.

Each test also asks whether a well-behaved client on the same server noticed anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from tests.world.backend import Backend, token
from tests.world.command import PATIENCE, run, written
from tests.world.settings import KEY, SECRET, SETTINGS, Settings

from tidings.channels.names import LENGTH_LIMIT
from tidings.testing import Client, PlainClient, TidingsNode
from tidings.testing.clients import ReplyError, UpgradeRefused

pytestmark = [pytest.mark.world, pytest.mark.L3]

HANDSHAKE = (
    "GET /connection/websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
)
HANDSHAKE_TIMEOUT = 1.0
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[TidingsNode]:
    settings = {
        **SETTINGS,
        "server": {"handshake_timeout": HANDSHAKE_TIMEOUT, "request_timeout": 2.0},
        "client": {"compression": True, "allowed_origins": ["https://*.good.example", "http://localhost:*"]},
    }
    with TidingsNode(settings) as server:
        yield server


@pytest.fixture(autouse=True)
async def bystander(server: TidingsNode) -> AsyncIterator[Client]:
    """Somebody who is on the server throughout, and hears exactly what is meant for her."""
    async with Client(server.websocket, token=token("bystander"), patience=PATIENCE) as bystander:
        news = await bystander.subscribe("plain:bystander")
        yield bystander
        with Backend(server.url) as backend:
            await asyncio.to_thread(backend.publish, "plain:bystander", "still here")
        assert (await news.receive()).data == "still here"
        assert bystander.is_open and not bystander.unread
        assert httpx2.get(f"{server.url}/health").status_code == 200
        assert "Traceback" not in "\n".join(server.process.lines)


def asked(server: TidingsNode, data: bytes) -> bytes:
    """All that the server answers, until it ends the connection or has nothing more to say."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as wire:
        return heard(wire, data)


def framed(server: TidingsNode, data: bytes, more: str = "") -> bytes:
    """What it answers on a WebSocket to these bytes, which come when it is open."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as wire:
        wire.sendall(HANDSHAKE.format(host="a", more=more).encode())
        head = wire.recv(4096)
        assert head.startswith(b"HTTP/1.1 101 ") and (not more or b"permessage-deflate" in head)
        return heard(wire, data)


def heard(wire: socket.socket, data: bytes) -> bytes:
    answer = b""
    # It need not read everything before it ends the connection.
    with contextlib.suppress(ConnectionError):
        wire.sendall(data)
        wire.shutdown(socket.SHUT_WR)
        while piece := wire.recv(65536):
            answer += piece
    return answer


def handshake(server: TidingsNode, *origins: str) -> str:
    """The status of a handshake with these Origin headers."""
    more = "".join(f"Origin: {origin}\r\n" for origin in origins)
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as wire:
        wire.sendall(HANDSHAKE.format(host=f"127.0.0.1:{server.port}", more=more).encode("latin-1"))
        return wire.recv(4096).split()[1].decode()


# Pages from elsewhere.


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://good.example",
        "https://app.good.example.evil.example",
        "https://evilgood.example",
        "https://app.good.example@evil.example",
        "https://evil.example/.good.example",
        "https://evil.example#.good.example",
        "https://evil.example?.good.example",
        "https://evil.example\\.good.example",
        "https://app.good.example:8443",
        "http://app.good.example",
        "https://app.good.example, https://evil.example",
        "https://app.good.example https://evil.example",
        "http://localhost.evil.example:3000",
        "http://localhost:3000@evil.example",
        "https://app.good.example\u00a0",
        "file://",
        "chrome-extension://abcdefgh",
    ],
)
async def test_a_page_from_elsewhere(server: TidingsNode, origin: str) -> None:
    """403 before anything is open, whatever it calls itself."""
    assert handshake(server, origin) == "403"


@pytest.mark.parametrize("origin", ["https://app.good.example", "HTTPS://APP.GOOD.EXAMPLE", "http://localhost:3000"])
async def test_a_page_that_may(server: TidingsNode, origin: str) -> None:
    """And the server's own pages, and programs, which send no origin."""
    assert handshake(server, origin) == "101"
    assert handshake(server, f"http://127.0.0.1:{server.port}") == "101"
    assert handshake(server) == "101"


async def test_two_origins(server: TidingsNode) -> None:
    """One of them would be allowed; nobody asks which was meant."""
    assert handshake(server, "https://app.good.example", "https://evil.example") == "400"
    assert handshake(server, "https://evil.example", "https://app.good.example") == "400"


async def test_a_refused_page_is_told_nothing(server: TidingsNode) -> None:
    """No header invites a page from elsewhere to read what is answered, here or at the API."""
    with pytest.raises(UpgradeRefused) as refused:
        await PlainClient(server.websocket, headers={"Origin": "https://evil.example"}).open()
    assert "403" in str(refused.value)
    asked_api = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (
        httpx2.options(f"{server.url}/api/publish", headers=asked_api),
        httpx2.get(f"{server.url}/metrics", headers=asked_api),
    ):
        assert not any(name.startswith("access-control") for name in answer.headers)


# Slow ones.


async def test_slow_loris(server: TidingsNode) -> None:
    """A hundred connections with half a request each are gone after the time that they have."""
    began = time.monotonic()
    wires = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(100)]
    for _, writer in wires:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    async with asyncio.timeout(PATIENCE):
        answers = [await reader.read() for reader, _ in wires]
    for _, writer in wires:
        writer.close()
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    assert time.monotonic() - began >= HANDSHAKE_TIMEOUT
    assert 'tidings_refusals_total{status="408"}' in httpx2.get(f"{server.url}/metrics").text


# Requests that mean two things.

KEY_AND_BODY = b"X-API-Key: a key for back ends\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /api/info HTTP/1.1\r\nHost: a\r\n"
        + KEY_AND_BODY
        + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"
        b"\r\n0\r\n\r\nPOST /api/info HTTP/1.1\r\nHost: a\r\n" + KEY_AND_BODY + b"Content-Length: 2\r\n\r\n{}",
        b"POST /api/info HTTP/1.1\r\nHost: a\r\n" + KEY_AND_BODY + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /api/info HTTP/1.1\r\nHost: a\r\nX-API-Key:\r\n a key for back ends\r\nContent-Length: 2\r\n\r\n{}",
        *(
            b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 10\r\n\r\n\x81\x84\0\0\0\0[{}]" % path
            for path in (b"/connection/websocket", b"/nowhere")
        ),
    ],
    ids=["length and chunks", "two lengths", "a folded line", "a body behind a handshake", "the same elsewhere"],
)
async def test_smuggling(server: TidingsNode, request_bytes: bytes) -> None:
    """One refusal, and nothing behind it is answered."""
    answer = asked(server, request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("headers", "trailer"),
    [
        (b"X_API_Key: a key for back ends\r\n", b""),
        (b"X-API_Key: a key for back ends\r\n", b""),
        (b"", b"X-API-Key: a key for back ends\r\n"),
        (b"Trailer: X-API-Key\r\n", b"X-API-Key: a key for back ends\r\n"),
    ],
    ids=["underscores", "one underscore", "a trailer", "a trailer that is announced"],
)
async def test_a_key_where_no_key_is(server: TidingsNode, headers: bytes, trailer: bytes) -> None:
    """Neither a name that some proxies take for another, nor what comes behind the body, opens the API."""
    head = b"POST /api/info HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    answer = asked(server, head + headers + b"\r\n2\r\n{}\r\n0\r\n" + trailer + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")


# Garbage.


async def test_garbage(server: TidingsNode) -> None:
    """Bytes of any kind, before and after the handshake, in frames and without."""
    for number in range(30):
        noise = os.urandom(200 + number)
        asked(server, noise)
        framed(server, noise)
        framed(server, frame(0x81, noise) + frame(0x82, noise) + frame(0x8A, noise[:100]))
        framed(server, frame(0x81, b"[" * 5000) + frame(0x81, json.dumps({"id": 1, "connect": [1]}).encode()))


# Bombs.


async def test_a_compression_bomb(server: TidingsNode) -> None:
    """A frame of 64 KiB that unpacks to 64 MiB ends its connection with 1009; the process does not grow by it."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -12)
    packed = deflate.compress(b"\0" * 64 * MEBIBYTE) + deflate.flush(zlib.Z_SYNC_FLUSH)
    before = memory(server)
    more = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12\r\n"
    for _ in range(5):
        answer = framed(server, frame(0xC1, packed.removesuffix(b"\0\0\xff\xff")), more)
        assert struct.pack("!H", 1009) in answer
    assert memory(server) - before < 16 * MEBIBYTE


def memory(server: TidingsNode) -> int:
    """Resident bytes of the server."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


# Names.


def test_names_of_channels_cannot_be_made_to_collide() -> None:
    """Tables of names are keyed by a hash that every process draws anew, so nobody can prepare names for one bucket."""
    ask = [sys.executable, "-c", "import sys; print(sys.flags.hash_randomization, hash('plain:a'))"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    told = {subprocess.run(ask, env=environment, capture_output=True, text=True).stdout for _ in range(2)}
    assert len(told) == 2
    assert all(line.startswith("1 ") for line in told)


async def test_names_are_short_and_few(server: TidingsNode) -> None:
    """A connection fills its own bounds and no more."""
    async with Client(server.websocket, token=token("greedy"), patience=PATIENCE) as greedy:
        refused = 0
        for number in range(140):
            try:
                await greedy.subscribe(f"plain:{number}")
            except Exception as error:
                assert "106" in str(error)
                refused += 1
        assert refused == 140 - 128 + 1  # Her personal channel counts as well.
        with pytest.raises(Exception, match=r"107|106"):
            await greedy.subscribe("plain:" + "a" * LENGTH_LIMIT)


# Logs.

HOSTILE = 'eve\n{"level": "error", "message": "forged"}\r\x1b[2J\x9b31m\u202e\u2028\u2066\x00'


@pytest.mark.parametrize("format", ["human", "json"])
async def test_log_injection(format: str) -> None:
    """Users, origins, reasons and names of channels are written so that they are one line, in sight, and no commands.

    At debug, where everything is written; tokens and keys are not even then.
    """
    settings = {**SETTINGS, "log": {"format": format, "level": "debug"}}
    with TidingsNode(settings) as server:
        hers = token(HOSTILE)
        async with Client(server.websocket, token=hers, patience=PATIENCE) as eve:
            with pytest.raises(ReplyError):
                await eve.subscribe(f"plain:{HOSTILE}")
            handshake(server, "https://\x9b31m\x85.evil.example")
            with Backend(server.url) as backend:
                await asyncio.to_thread(backend.disconnect, HOSTILE, 4500, HOSTILE)
                httpx2.post(f"{server.url}/api/info?api_key={KEY.replace(' ', '+')}", content=b"{}")
            await eve.expect_closed(timeout=PATIENCE)
        server.process.line("connection closed", timeout=PATIENCE)
        lines = list(server.process.lines)
    assert any("evil.example" in line for line in lines) and any("forged" in line for line in lines)
    assert [line for line in lines if not line.isprintable()] == []
    assert not any(line.startswith('{"level": "error"') for line in lines)
    if format == "json":
        records = [json.loads(line) for line in lines if line.startswith("{")]
        assert not any(record["message"] == "forged" for record in records)
    said = "\n".join(lines)
    assert hers not in said and SECRET not in said and KEY not in said and KEY.replace(" ", "+") not in said


@pytest.mark.parametrize(
    "wrong",
    [
        {"auth": {"hmac_secret": 5}, "api": {"key": "hunter2"}},
        {"auth": {"hmac_secret": "hunter2", "rsa_public_key": "hunter2"}},
        {"auth": {"hmac_secret": ["hunter2"]}},
        {"api": {"key": "hunter2", "error_mode": "hunter"}},
        {"broker": {"url": "redis://user:hunter2@host:port"}},
        {"broker": {"url": "mongodb://user:hunter2@host"}},
        {"broker": {"url": "redis://127.0.0.1:1/0?password=hunter2"}},
        {"broker": {"url": "redis://:hunter2@127.0.0.1:1"}},
    ],
)
def test_complaints_and_tracebacks_hold_no_secret(wrong: Settings, tmp_path: Path) -> None:
    """Whatever is wrong with the settings, and with the traceback that -v asks for."""
    config = written({**wrong, "server": {"port": 0}}, tmp_path)
    failed = run("serve", "--config", config, "-v")
    assert failed.returncode == 1
    assert "Traceback" in failed.stderr and "tidings: " in failed.stderr
    assert "hunter2" not in failed.stdout + failed.stderr


def frame(first: int, payload: bytes) -> bytes:
    """A client's frame, with a mask of zeros."""
    size = len(payload)
    if size < 126:
        length = struct.pack("!B", 0x80 | size)
    elif size < 65536:
        length = struct.pack("!BH", 0x80 | 126, size)
    else:
        length = struct.pack("!BQ", 0x80 | 127, size)
    return bytes([first]) + length + b"\0\0\0\0" + payload
