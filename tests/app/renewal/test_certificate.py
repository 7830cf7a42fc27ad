"""A certificate that is renewed, as handshakes see it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from tests.world.certificates import self_signed

from tidings.app.renewal import Certificate
from tidings.app.renewal.certificate import load
from tidings.errors import SettingsError
from tidings.gateway.transports.encryption import harden

pytestmark = pytest.mark.shell


class Door:
    """A TLS server, and who looks at its certificate."""

    def __init__(self, port: int, certificate: Certificate) -> None:
        self.port = port
        self.certificate = certificate

    async def shown(self) -> int:
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=trusting)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return x509.load_der_x509_certificate(der).serial_number


def serial(file: Path) -> int:
    return x509.load_pem_x509_certificate(file.read_bytes()).serial_number


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """RSA, then ECDSA, then RSA again."""
    keys = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    )
    return [self_signed(tmp_path / f"{number}", key) for number, key in enumerate(keys)]


@pytest.fixture
def context(files: list[Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[0])
    return context


@pytest.fixture
async def door(context: ssl.SSLContext) -> AsyncIterator[Door]:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context) as server:
        yield Door(server.sockets[0].getsockname()[1], Certificate(context))


async def test_new_handshakes_show_the_new_one(files: list[Path], door: Door) -> None:
    """Whatever kinds of keys the old one and the new one have."""
    first, *others = await asyncio.to_thread(lambda: [(serial(file), load(str(file), str(file))) for file in files])
    assert await door.shown() == first[0]
    for number, loaded in (*others, first):
        door.certificate.use(loaded)
        assert await door.shown() == number


async def test_the_new_one_speaks_nothing_older_or_weaker(files: list[Path]) -> None:
    loaded = await asyncio.to_thread(load, str(files[1]), str(files[1]))
    strict = harden(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    assert loaded.minimum_version is ssl.TLSVersion.TLSv1_2
    assert loaded.get_ciphers() == strict.get_ciphers()


def test_what_cannot_be_used(files: list[Path], tmp_path: Path) -> None:
    """Nothing there, half of it, two that do not belong together, a key that would ask for its passphrase."""
    half = tmp_path / "half.pem"
    half.write_bytes(files[0].read_bytes()[:900])
    key = load_pem_private_key(files[0].read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    alone = tmp_path / "alone.pem"
    alone.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for certificate, other in (("none", "none"), (half, half), (files[1], alone), (files[0], locked)):
        with pytest.raises(SettingsError, match=r"^\[server\] tls_certificate and tls_key cannot be used: "):
            load(str(certificate), str(other))
    load(str(files[0]), str(alone))
