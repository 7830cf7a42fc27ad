"""TLS by settings, with clients that verify the certificate."""

from __future__ import annotations

import asyncio
import signal
import ssl
from pathlib import Path

import httpx2
import pytest
from centrifuge import Client as Sdk
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


def test_certificate_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is not there is named in one sentence, and the process ends with 1."""
    config = written({"server": {"tls_certificate": "none.pem", "tls_key": "none.pem"}}, tmp_path)
    refused = run("serve", "--config", config, "--port", "0")
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert line.startswith("tidings: [server] tls_certificate")
