"""TLS by settings, with clients that verify the certificate."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from centrifuge import Client as Sdk
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from tests.world.backend import token
from tests.world.certificates import self_signed
from tests.world.command import PATIENCE, run, written
from tests.world.settings import SETTINGS, Settings

from tidings.testing import Client, PlainClient, TidingsNode
from tidings.testing.clients import Closing, UpgradeRefused

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path)


@pytest.fixture
def settings(certificate: Path) -> Settings:
    return {**SETTINGS, "server": {"tls_certificate": str(certificate), "tls_key": str(certificate)}}


async def test_everything_is_served_over_tls(certificate: Path, settings: Settings) -> None:
    """Clients that trust the certificate get all that there is, and others nothing."""
    trusting = ssl.create_default_context(cafile=certificate)
    async with TidingsNode(settings) as server:
        assert f"https://127.0.0.1:{server.port}" in server.process.line("listening")
        assert httpx2.get(f"{server.url}/health", verify=trusting).status_code == 200
        with pytest.raises(UpgradeRefused, match="CERTIFICATE_VERIFY_FAILED"):
            await PlainClient(server.websocket).open()
        async with Client(server.websocket, token=token("ada"), ssl=trusting, patience=PATIENCE) as ada:
            server.process.signal(signal.SIGTERM)
            assert await ada.expect_closed(timeout=PATIENCE) == Closing(3001, "shutdown")
        assert await asyncio.to_thread(server.process.wait, PATIENCE) == 0


async def test_sdk(certificate: Path, settings: Settings) -> None:
    """centrifuge-python connects with a context that trusts the certificate."""
    async with TidingsNode(settings) as server:
        trusting = ssl.create_default_context(cafile=certificate)
        ada = Sdk(server.websocket, token=token("ada"), ssl_context=trusting, proxy=None)
        await ada.connect()
        await ada.ready()
        await ada.disconnect()


def test_a_key_that_would_ask_for_its_passphrase(certificate: Path, tmp_path: Path) -> None:
    """Nobody sits there to type it: the server does not start, and neither it nor the doctor waits."""
    key = load_pem_private_key(certificate.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    config = written({"server": {"port": 0, "tls_certificate": str(certificate), "tls_key": str(locked)}}, tmp_path)
    for command in ("serve", "doctor"):
        ran = run(command, "--config", config)
        assert ran.returncode == 1
        assert "passphrase" in ran.stdout + ran.stderr


def test_certificate_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is not there is named in one sentence, and the process ends with 1."""
    config = written({"server": {"tls_certificate": "none.pem", "tls_key": "none.pem"}}, tmp_path)
    refused = run("serve", "--config", config, "--port", "0")
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert line.startswith("tidings: [server] tls_certificate")


# What is spoken.


def dialled(server: TidingsNode, change: Callable[[ssl.SSLContext], object]) -> tuple[str, str]:
    """The version and the cipher that a client gets who would take anything. TLS's errors are `OSError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    change(context)
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain) as encrypted,
    ):
        return encrypted.version() or "", (encrypted.cipher() or ("",))[0]


def old(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


def with_ciphers(ciphers: str) -> Callable[[ssl.SSLContext], None]:
    def change(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)

    return change


def test_what_is_spoken(settings: Settings) -> None:
    """TLS 1.2 and 1.3, with ciphers that keep what was said to themselves; nothing older, nothing weaker."""
    with TidingsNode(settings) as server:
        assert dialled(server, lambda context: None)[0] == "TLSv1.3"
        version, cipher = dialled(server, with_ciphers("ALL"))
        assert version == "TLSv1.2"
        assert cipher.startswith("ECDHE") and ("GCM" in cipher or "CHACHA20" in cipher)
        with pytest.raises(OSError):
            dialled(server, old)
        for weak in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"):
            with pytest.raises(OSError):
                dialled(server, with_ciphers(f"{weak}:@SECLEVEL=0"))


@pytest.mark.parametrize("beginning", [b"", bytes.fromhex("16030100f0010000ec0303")])
def test_a_handshake_that_does_not_come_to_its_end(settings: Settings, beginning: bytes) -> None:
    """Has as long as the head of a request; the connection is then closed."""
    bounded = {**settings, "server": {**settings["server"], "handshake_timeout": 1.0}}
    with TidingsNode(bounded) as server, socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as wire:
        began = time.monotonic()
        wire.sendall(beginning)
        assert wire.recv(100) == b""
        assert time.monotonic() - began >= 0.9
