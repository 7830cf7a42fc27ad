"""TLS by settings, with clients that verify the certificate."""

from __future__ import annotations

import asyncio
import signal
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx2
import pytest
from centrifuge import Client
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.world.backend import token
from tests.world.server import Server, run, serve, written
from tests.world.settings import SETTINGS
from tests.world.visitor import Visitor

pytestmark = pytest.mark.world

LIFE = timedelta(hours=1)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for this machine, signed by itself, and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tidings.test")])
    now, number = datetime.now(UTC), x509.random_serial_number()
    this_machine = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), number, now - LIFE, now + LIFE)
        .add_extension(this_machine, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return file


@pytest.fixture
def config(certificate: Path, tmp_path: Path) -> Path:
    tls = {"tls_certificate": str(certificate), "tls_key": str(certificate)}
    return written({**SETTINGS, "server": tls}, tmp_path)


def test_everything_is_served_over_tls(certificate: Path, config: Path) -> None:
    """Clients that trust the certificate get all that there is, and others nothing."""
    trusting = ssl.create_default_context(cafile=certificate)
    with Server(serve("--config", config)) as server:
        assert server.websocket.startswith("wss://127.0.0.1:")
        assert httpx2.get(f"{server.url}/health", verify=trusting).status_code == 200
        with pytest.raises(ssl.SSLCertVerificationError), Visitor(server.websocket):
            pass
        with Visitor(server.websocket, trusting) as ada:
            assert "connect" in ada.ask(connect={"token": token("ada")})
            server.signal(signal.SIGTERM)
            assert ada.farewell() == (3001, "shutdown")
        assert server.wait() == 0


async def test_sdk(certificate: Path, config: Path) -> None:
    """centrifuge-python connects with a context that trusts the certificate."""
    with Server(serve("--config", config)) as server:
        trusting = ssl.create_default_context(cafile=certificate)
        ada = Client(server.websocket, token=token("ada"), ssl_context=trusting, proxy=None)
        await ada.connect()
        await ada.ready()
        await ada.disconnect()
        await asyncio.to_thread(server.stop)  # aside, so that the client can end its connection


def test_certificate_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is not there is named in one sentence, and the process ends with 1."""
    config = written({"server": {"tls_certificate": "none.pem", "tls_key": "none.pem"}}, tmp_path)
    refused = run("serve", "--config", config, "--port", "0")
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert line.startswith("tidings: [server] tls_certificate")
