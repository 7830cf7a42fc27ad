"""Keys and certificates change under load: nobody is dropped, nothing is lost, and who is revoked stays out."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.world.backend import token
from tests.world.certificates import self_signed
from tests.world.command import PATIENCE
from tests.world.issuer import Issuer, issuer_app
from tests.world.settings import KEY

from tidings.testing import Client, ManyClients, TidingsNode
from tidings.testing.clients import CentrifugeScript, ConversationError, ReplyError
from tidings.testing.services.node import toml

pytestmark = [pytest.mark.world, pytest.mark.L3]

FIRST, SECOND = "the first secret of all, 32 characters", "the second secret of all, 32 characters"
CHANNEL = "kept:ticker"
CROWD = 40
PACE = 0.02
ASK_AGAIN = 0.05


class Place:
    """A node whose settings, secrets and certificate lie in a directory, and change there."""

    def __init__(self, directory: Path, issuer: Issuer) -> None:
        self.directory = directory
        self.issuer = issuer
        self.certificate = self_signed(directory)
        self.node: TidingsNode
        self.settings: dict[str, Any] = {
            "api": {"key": KEY},
            "auth": {
                "hmac_secret": FIRST,
                "issuers": {"idp": {"issuer": "https://idp.test", "jwks_url": issuer.url}},
            },
            "server": {"tls_certificate": str(self.certificate), "tls_key": str(self.certificate)},
            "channels": {
                "namespaces": {
                    "kept": {"allow_subscribe_for_client": True, "history_size": 10000, "history_ttl": 300.0}
                }
            },
        }

    def start(self) -> TidingsNode:
        self.node = TidingsNode(self.settings)
        return self.node

    def write(self, **auth: Any) -> None:
        """Replace the file in one step, as a careful operator does."""
        self.settings["auth"] |= auth
        fresh = self.node.config.with_suffix(".new")
        fresh.write_text("".join(toml(self.settings)))
        os.replace(fresh, self.node.config)

    def renew(self) -> int:
        """Put another certificate in the place of the one that is there; returns its number."""
        fresh = self_signed(self.directory / f"{uuid.uuid4()}")
        number = x509.load_pem_x509_certificate(fresh.read_bytes()).serial_number
        os.replace(fresh, self.certificate)
        return number

    @property
    def trusting(self) -> ssl.SSLContext:
        """Nobody verifies here: which certificate is shown is looked at below."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    async def outcome(self, token: str) -> int:
        """What becomes of a new client: 0 if it is let in, else the code."""
        client = Client(self.node.websocket, token=token, ssl=self.trusting, patience=PATIENCE)
        try:
            async with client:
                return 0
        except ReplyError as error:
            return error.code
        except ConversationError as error:
            if error.closing is None:
                raise
            return error.closing.code

    async def until(self, token: str, code: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.outcome(token) != code:
                await asyncio.sleep(ASK_AGAIN)

    async def shown(self) -> int:
        """The number of the certificate that a new handshake shows."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.node.port, ssl=self.trusting)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return x509.load_der_x509_certificate(der).serial_number


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuer_app() as app:
        yield Issuer(app)


@pytest.fixture
async def place(tmp_path: Path, issuer: Issuer) -> AsyncIterator[Place]:
    issuer.add("old")
    issuer.publish("old")
    place = Place(tmp_path, issuer)
    async with place.start():
        yield place


class Load:
    """A crowd that hears a publication every `PACE` seconds, and newcomers all the time."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.published = 0
        self.newcomers = 0
        self.newcomer = token("newcomer", secret=FIRST)
        self.crowd = ManyClients(
            CROWD,
            place.node.websocket,
            script=CentrifugeScript(CHANNEL, token=token("member", secret=FIRST)),
            ssl=place.trusting,
            patience=PATIENCE,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        await self.crowd.open()
        self._tasks = [asyncio.create_task(self._publish()), asyncio.create_task(self._keep_coming())]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self.crowd.close()
        for task in self._tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def everything_arrives(self) -> None:
        """Nobody was dropped, and everybody has heard everything so far, in order and once."""
        await self.crowd.wait_all(self.published, timeout=PATIENCE)
        assert self.crowd.ready == CROWD and not self.crowd.closes
        assert not self.crowd.violations and not self.crowd.missed and not self.crowd.failures

    async def _publish(self) -> None:
        place = self._place
        headers = {"X-API-Key": KEY}
        async with httpx2.AsyncClient(verify=place.trusting, headers=headers, timeout=PATIENCE) as http:
            while True:
                body = {"channel": CHANNEL, "data": self.published}
                answer = await http.post(f"{place.node.url}/api/publish", json=body)
                assert "result" in answer.json(), answer.text
                self.published += 1
                await asyncio.sleep(PACE)

    async def _keep_coming(self) -> None:
        """Whoever comes with the token that is good now is let in, at every moment."""
        while True:
            assert await self._place.outcome(self.newcomer) == 0
            self.newcomers += 1


async def test_a_secret_is_replaced_under_load(place: Place) -> None:
    """Two secrets for a while, then the new one alone: tokens of the old one are refused from then on."""
    old, new = token("ada", secret=FIRST), token("ada", secret=SECOND)
    async with Load(place) as load:
        assert (await place.outcome(old), await place.outcome(new)) == (0, 3500)
        place.write(hmac_secret=SECOND, previous_hmac_secret=FIRST)
        await place.until(new, 0)
        assert await place.outcome(old) == 0
        load.newcomer = new
        await load.everything_arrives()
        place.write(previous_hmac_secret="")
        await place.until(old, 3500)
        assert await place.outcome(new) == 0
        await load.everything_arrives()
    assert load.newcomers > 0 and load.published > 0
    assert "previous_hmac_secret" in place.node.process.line("settings reloaded.*hmac_secret")
    assert not any(secret in line for line in place.node.process.lines for secret in (FIRST, SECOND))


async def test_published_keys_are_rotated_under_load(place: Place, issuer: Issuer) -> None:
    """A new key is learnt by the first token that names it; one that is withdrawn lets nobody in any more."""
    iss = {"iss": "https://idp.test"}
    issuer.add("new", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    old, new = issuer.token("ada", "old", **iss), issuer.token("ada", "new", **iss)
    async with Load(place) as load:
        assert await place.outcome(old) == 0
        issuer.publish("old", "new")
        assert [await place.outcome(one) for one in (new, old)] == [0, 0]
        await load.everything_arrives()
        issuer.publish("new")
        place.node.process.signal(signal.SIGHUP)
        await place.until(old, 3500)
        assert await place.outcome(new) == 0
        await load.everything_arrives()


async def test_a_certificate_is_renewed_under_load(place: Place) -> None:
    """New handshakes show the new certificate; a file that is half written changes nothing."""
    before = await place.shown()
    async with Load(place) as load:
        whole = place.certificate.read_bytes()
        place.certificate.write_bytes(whole[: len(whole) // 2])
        await asyncio.to_thread(place.node.process.line, "settings not reloaded.*tls_certificate")
        assert await place.shown() == before
        number = place.renew()
        async with asyncio.timeout(PATIENCE):
            while await place.shown() != number:
                await asyncio.sleep(ASK_AGAIN)
        await load.everything_arrives()
    assert load.newcomers > 0
