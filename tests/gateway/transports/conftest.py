"""A client that writes literal bytes, a peer that remembers what it was told, and uvicorn's protocols between them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from tidings.gateway.transports.base import Peer, Transport, TransportTerms
from tidings.gateway.transports.handshake import Handshake, negotiate
from tidings.gateway.transports.upgrade import upgrade
from tidings.gateway.transports.uvicorn import WebSocketProtocol

PATIENCE = 20.0

KEY = b"\x37\xfa\x21\x3d"
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\n"
    "Host: tidings.test\r\n"
    "Connection: Upgrade\r\n"
    "Upgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "{headers}\r\n"
)

T = TypeVar("T")
Dial = Callable[..., Awaitable["Wire"]]
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


def masked(first: int, payload: bytes = b"") -> bytes:
    """A client's frame (RFC 6455, section 5.2): FIN and opcode, the length, the key, the masked payload."""
    if len(payload) < 126:
        length = struct.pack("!B", 0x80 | len(payload))
    elif len(payload) < 65536:
        length = struct.pack("!BH", 0x80 | 126, len(payload))
    else:
        length = struct.pack("!BQ", 0x80 | 127, len(payload))
    key = int.from_bytes((KEY * (len(payload) // 4 + 1))[: len(payload)], "big")
    return bytes([first]) + length + KEY + (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")


class Wire:
    """A client's end of a connection, without any rules."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def raw(self, data: bytes) -> None:
        self.writer.write(data)

    def send(self, first: int, payload: bytes = b"") -> None:
        self.raw(masked(first, payload))

    async def handshake(self, path: str = "/", headers: str = "") -> tuple[str, dict[str, str]]:
        """Ask for an upgrade; the status line and the headers of the answer."""
        self.raw(HANDSHAKE.format(path=path, headers=headers).encode())
        return await self.answer()

    async def answer(self) -> tuple[str, dict[str, str]]:
        status, *lines = (await within(self.reader.readuntil(b"\r\n\r\n"))).decode().strip().split("\r\n")
        return status, {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    async def frame(self) -> tuple[int, bytes]:
        """The first byte and the payload of the next frame. A masked one, which is an error, seems very long."""
        first, length = await within(self.reader.readexactly(2))
        if length == 126:
            (length,) = struct.unpack("!H", await within(self.reader.readexactly(2)))
        elif length == 127:
            (length,) = struct.unpack("!Q", await within(self.reader.readexactly(8)))
        return first, await within(self.reader.readexactly(length))

    async def closing(self) -> tuple[int, str]:
        """The code and reason of a close frame, which must be the next one."""
        first, payload = await self.frame()
        assert first == 0x88
        return struct.unpack("!H", payload[:2])[0], payload[2:].decode()

    async def ended(self) -> bytes:
        """What still comes until the server ends the stream."""
        return await within(self.reader.read())

    def hang_up(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    @property
    def socket(self) -> socket.socket:
        return self.writer.get_extra_info("socket")


class Recorder:
    """A peer that remembers what it was told."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.received: list[tuple[str, bytes]] = []
        self.calls: list[str] = []
        self.verdicts: list[tuple[int, str]] = []

    def receive(self, payload: bytes) -> None:
        self.received.append(("text" if self.transport.text else "binary", payload))

    def pong(self) -> None:
        self.calls.append("pong")

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def lost(self, code: int, reason: str) -> None:
        self.verdicts.append((code, reason))

    def shutdown(self) -> None:
        self.calls.append("shutdown")
        self.transport.close(3001, "shutdown")


class Hub:
    """An application that takes every connection."""

    def __init__(self) -> None:
        self.peer: Callable[[Transport], Peer] = Recorder
        self.terms = TransportTerms()
        self.peers: list[Any] = []
        # Cleared to hold connections up before they are answered.
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.gate.wait()
        agreement = negotiate(Handshake.of(scope))
        await upgrade(scope, receive, send, agreement=agreement, terms=self.terms, join=self.join)

    def join(self, transport: Transport) -> Peer:
        self.peers.append(self.peer(transport))
        return self.peers[-1]


async def within(awaitable: Awaitable[T]) -> T:
    return await asyncio.wait_for(awaitable, PATIENCE)


async def until(condition: Callable[[], object]) -> None:
    """Ask until it is true, where there is no event to wait for."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture(name="masked")
def masked_fixture() -> Callable[..., bytes]:
    return masked


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], object]], Awaitable[None]]:
    return until


@pytest.fixture(name="Recorder")
def recorder_fixture() -> type[Recorder]:
    return Recorder


@pytest.fixture
async def hub() -> Hub:
    return Hub()


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Connects to a port of this machine."""
    async with contextlib.AsyncExitStack() as wires:

        async def dial(port: int, **options: Any) -> Wire:
            wire = Wire(*await asyncio.open_connection("127.0.0.1", port, **options))
            wires.push_async_callback(gone, wire)
            return wire

        yield dial


async def gone(wire: Wire) -> None:
    if not wire.writer.transport.is_closing():  # asyncio cannot abort what is closed
        wire.writer.transport.abort()
    with contextlib.suppress(OSError):
        await within(wire.writer.wait_closed())


class Served:
    """uvicorn's protocols without its server: a port, and the state that they share."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.state = ServerState()
        self.port = 0

    def protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(config=self.config, server_state=self.state, app_state={})

    def idle(self) -> bool:
        return not self.state.connections and not self.state.tasks


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    """Serves an application as uvicorn does; afterwards neither a connection nor a task may be left."""
    async with contextlib.AsyncExitStack() as stack:

        async def serve(app: ASGIApp, *, tls: ssl.SSLContext | None = None, **settings: Any) -> Served:
            config = Config(app, log_config=None, lifespan="off", **{"ws": WebSocketProtocol, **settings})
            config.load()
            served = Served(config)
            server = await asyncio.get_running_loop().create_server(served.protocol, "127.0.0.1", 0, ssl=tls)
            served.port = server.sockets[0].getsockname()[1]
            stack.push_async_callback(stop, server, served)
            return served

        yield serve


async def stop(server: asyncio.Server, served: Served) -> None:
    server.close()
    for connection in list(served.state.connections):
        connection.shutdown()
    await until(served.idle)


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    """A server's context and one for its clients, around a certificate for 127.0.0.1."""
    paths = certificate(tmp_path_factory.mktemp("tls"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*paths)
    return server, ssl.create_default_context(cafile=paths[0])


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tidings.test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
