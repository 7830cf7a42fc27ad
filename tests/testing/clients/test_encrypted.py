"""The clients over TLS, with a certificate that they verify."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from tests.testing.clients.server import Ending, echo, serving, until
from tests.world.test_tls import certificate

from tidings.testing.clients import ManyClients, PlainClient, UpgradeRefused

pytestmark = [pytest.mark.world, pytest.mark.L3]

__all__ = ["certificate"]


@pytest.fixture
def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_side(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def secure(url: str) -> str:
    return url.replace("ws://", "wss://")


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
async def test_a_plain_client(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """It speaks, stalls and drops as without."""
    async with serving(echo, ssl=server_side) as url, PlainClient(secure(url), ssl=client_side) as client:
        client.stall()
        await client.send("hello")
        await client.expect_nothing(within=0.05)
        client.resume()
        assert await client.receive() == "hello"
        client.drop()
        assert await client.expect_closed() == (1006, "")


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
async def test_a_crowd(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    async with serving(echo, ssl=server_side) as url, ManyClients(10, secure(url), ssl=client_side) as crowd:
        crowd.send("hello")
        await crowd.wait_all(1)
    assert crowd.closes == {1000: 10}


async def test_a_certificate_that_is_not_trusted(server_side: ssl.SSLContext) -> None:
    async with serving(echo, ssl=server_side) as url:
        with pytest.raises(UpgradeRefused, match="CERTIFICATE_VERIFY_FAILED"):
            await PlainClient(secure(url)).open()


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
async def test_drop_is_a_reset(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    ending = Ending()
    async with serving(ending, ssl=server_side) as url, PlainClient(secure(url), ssl=client_side) as client:
        await until(lambda: ending.connection is not None)
        client.drop()
        await ending.came.wait()
    assert ending.code == 1006
