"""Security, as the requirement lists it: authentication, protection of data, infrastructure.

By the names of the requirement; see docs/scenarios.md, and docs/security.md for what is behind each. A server in its
own process, and what a client could try on it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.brokers.redis.certificates import Authority
from tests.testing.services.programs import need
from tests.world.backend import HOUR, Backend
from tests.world.backend import token as any_token
from tests.world.certificates import self_signed
from tests.world.command import run
from tests.world.settings import KEY, SECRET

from tidings.testing import Client, PlainClient, RedisServer, TidingsNode
from tidings.testing.clients import ConversationError, ReplyError, UpgradeRefused
from tidings.testing.services import ports

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.security]

PATIENCE = 20.0
AUDIENCE = "realtime"
PAIR = rsa.generate_private_key(65537, 2048)
PUBLIC = PAIR.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

KEPT = {"history_size": 100, "history_ttl": 300.0, "presence": True}
WHO = ("client", "subscriber", "anonymous")
NAMESPACES = {
    "shut": KEPT,
    "open": {**KEPT, "allow_subscribe_for_client": True},
    "talk": {
        **KEPT,
        "allow_subscribe_for_client": True,
        "allow_publish_for_subscriber": True,
        "allow_history_for_subscriber": True,
        "allow_presence_for_subscriber": True,
    },
    "square": {
        **KEPT,
        "allow_subscribe_for_client": True,
        "allow_subscribe_for_anonymous": True,
        **{f"allow_{what}_for_{who}": True for what in ("publish", "history", "presence") for who in WHO},
    },
    "dialog": {**KEPT, "allow_user_limited_channels": True, "allow_history_for_subscriber": True},
}


@pytest.fixture(scope="module")
def server() -> Iterator[TidingsNode]:
    settings = {
        "auth": {"hmac_secret": SECRET, "rsa_public_key": PUBLIC, "audience": AUDIENCE},
        "api": {"key": KEY},
        "client": {"anonymous": True, "allowed_origins": ["https://app.example"]},
        "channels": {**KEPT, "namespaces": NAMESPACES},
    }
    with TidingsNode(settings) as server:
        yield server


@pytest.fixture(scope="module")
def backend(server: TidingsNode) -> Iterator[Backend]:
    with Backend(server.url) as backend:
        yield backend


def token(user: str, **claims: Any) -> str:
    return any_token(user, **{"aud": AUDIENCE, **claims})


def visitor(server: TidingsNode, token: str = "") -> Client:
    return Client(server.websocket, token=token, patience=PATIENCE)


@pytest.fixture
async def ada(server: TidingsNode) -> AsyncIterator[Client]:
    async with visitor(server, token("ada")) as ada:
        yield ada


async def refused(asked: Awaitable[object]) -> int:
    """The code of the error that a question is answered with."""
    with pytest.raises(ReplyError) as error:
        await asked
    return error.value.code


async def ended(one: Client, asked: Awaitable[object]) -> int:
    """The code with which a question ends the connection."""
    with pytest.raises(ConversationError):
        await asked
    return (await one.expect_closed(timeout=PATIENCE)).code


class TestAuthentication:
    """Who somebody is, and what follows from that."""

    @pytest.mark.parametrize(
        "forged",
        [
            lambda: jwt.encode({"sub": "ada", "aud": AUDIENCE}, "", algorithm="none"),
            lambda: token("ada", secret="another secret of thirty-two chars"),
            lambda: token("ada", aud="another"),
            lambda: any_token("ada"),
            lambda: token("ada", channel="talk:a"),
            lambda: token("ada")[:-4] + "AAAA",
            lambda: ".".join([*token("eve").split(".")[:2], token("ada").split(".")[2]]),
            lambda: "not.a.token",
            lambda: jwt.encode(
                {"sub": "ada", "aud": AUDIENCE}, rsa.generate_private_key(65537, 2048), algorithm="RS256"
            ),
        ],
        ids=[
            "no algorithm",
            "a foreign secret",
            "for another audience",
            "for no audience",
            "a subscription token",
            "a broken signature",
            "another token's signature",
            "garbage",
            "a foreign key pair",
        ],
    )
    async def test_jwt_token_validation(self, server: TidingsNode, forged: Callable[[], str]) -> None:
        """Only what a key of the settings has signed, for this server and as a connection token, lets in."""
        eve = visitor(server, forged())
        assert await ended(eve, eve.connect()) == 3500

    async def test_jwt_algorithms_are_not_confused(self, server: TidingsNode) -> None:
        """The public key, which everybody may know, signs nothing: not even where HMAC is accepted as well."""
        unsigned = jwt.encode({"sub": "ada", "aud": AUDIENCE}, PAIR, algorithm="RS256")
        async with visitor(server, unsigned) as ada:
            assert ada.id
        eve = visitor(server, signed_by_hand({"sub": "ada", "aud": AUDIENCE}, PUBLIC.encode()))
        assert await ended(eve, eve.connect()) == 3500

    async def test_jwt_token_expiration(self, server: TidingsNode) -> None:
        """A token is good until it expires, and then the client is told to fetch another one."""
        late = visitor(server, token("ada", ttl=-1.0))
        assert await refused(late.connect()) == 109
        early = visitor(server, token("ada", nbf=time.time() + HOUR))
        assert await refused(early.connect()) == 109
        async with visitor(server, token("ada", ttl=HOUR)) as ada:
            assert 0 < ada.connected.ttl <= HOUR

    @pytest.mark.parametrize(
        ("channel", "anonymous", "user", "subscriber"),
        [
            ("shut:a", "", "", None),
            ("open:a", "", "S", "S"),
            ("talk:a", "", "S", "SPHW"),
            ("square:a", "SPHW", "SPHW", "SPHW"),
            ("dialog:a#bob", "", "", None),
            ("$talk:a", "", "", None),
            ("#bob", "", "", None),
        ],
    )
    async def test_permission_based_access_control(
        self, server: TidingsNode, channel: str, anonymous: str, user: str, subscriber: str | None
    ) -> None:
        """What each may do with a channel: subscribe, publish, read its history, see who is present; nothing else."""
        async with visitor(server) as nobody, visitor(server, token("ada")) as ada:
            assert await rights(nobody, channel) == anonymous
            assert await rights(ada, channel) == user
            if subscriber is not None:
                assert await rights(ada, channel, stays=True) == subscriber

    async def test_permission_of_the_server_api(self, server: TidingsNode) -> None:
        """A user's token is no key for back ends, and the key is no token."""
        for key in (token("ada"), SECRET, ""):
            headers = {"X-API-Key": key} if key else {}
            assert httpx2.post(f"{server.url}/api/info", content=b"{}", headers=headers).status_code == 401
        eve = visitor(server, KEY)
        assert await ended(eve, eve.connect()) == 3500

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            ('{"id":1,"connect":{"token":7}}', 3501),
            ("no JSON", 3501),
            ("[" * 10_000, 3501),
            ('{"id":1,"subscribe":{"channel":"talk:a"}}', 3501),
            ("x" * 70_000, 1009),
        ],
    )
    async def test_input_validation(self, server: TidingsNode, said: str, code: int) -> None:
        """What cannot be understood ends the connection that said it, with the protocol's code."""
        async with PlainClient(server.websocket, json=False) as client:
            await client.send(said)
            assert (await client.expect_closed(timeout=PATIENCE)).code == code

    @pytest.mark.parametrize("channel", ["talk:a\nb", "talk:\x1b[31m", "talk:\u202ea", "talk:" + "a" * 300, "ä"])
    async def test_input_sanitization(self, ada: Client, channel: str) -> None:
        """A name that could deceive whoever reads it is no name."""
        assert await refused(ada.subscribe(channel)) in (106, 107)

    async def test_payloads_are_not_interpreted(self, ada: Client, server: TidingsNode) -> None:
        """What looks like a program, a template or a query arrives as it was sent, and is JSON and nothing else."""
        payload = {"text": "<script>alert(1)</script>", "sql": "'; DROP TABLE users; --", "jinja": "{{ 7 * 7 }}"}
        talk = await ada.subscribe("talk:payloads")
        await ada.publish("talk:payloads", payload)
        assert (await talk.receive()).data == payload


class TestDataProtection:
    """What belongs to one user is not another's."""

    async def test_secure_session_management(self, server: TidingsNode) -> None:
        """The name of a connection is drawn at random, and knowing it is of no use: nothing that a client can say
        takes one."""
        async with visitor(server, token("ada")) as ada, visitor(server, token("ada")) as other:
            assert ada.id != other.id
            assert uuid.UUID(ada.id).version == uuid.UUID(other.id).version == 4
        async with visitor(server, token("eve")) as eve:
            bound = token("ada", channel="talk:a", client=ada.id)
            assert await ended(eve, eve.subscribe("talk:a", token=bound)) == 3500

    async def test_a_session_is_not_taken_over(self, server: TidingsNode) -> None:
        """Another user's token does not renew a connection; it ends it."""
        async with visitor(server, token("eve")) as eve:
            assert await ended(eve, eve.refresh(token("ada"))) == 3500

    async def test_the_position_of_others_gives_nothing(self, server: TidingsNode, backend: Backend) -> None:
        """Knowing where somebody was in a channel opens neither the channel nor its history."""
        allowed = token("bob", channel="shut:orders")
        async with visitor(server, token("bob")) as bob, visitor(server, token("eve")) as eve:
            orders = await bob.subscribe("shut:orders", token=allowed, positioned=True)
            backend.publish("shut:orders", "secret")
            assert (await orders.receive()).data == "secret"
            for asked in (
                eve.subscribe("shut:orders", since=orders.position),
                eve.history("shut:orders", since=orders.position),
                eve.presence("shut:orders"),
                eve.presence_stats("shut:orders"),
            ):
                assert await refused(asked) == 103

    async def test_user_limited_channels(self, server: TidingsNode, backend: Backend) -> None:
        """Named users hear what is said there, and nobody whose name merely contains theirs."""
        async with visitor(server, token("ada")) as ada, visitor(server, token("bob")) as bob:
            dialog = await ada.subscribe("dialog:it#ada,cy")
            assert await refused(bob.subscribe("dialog:it#ada,cy")) == 103
            for user in ("ad", "ada,cy", "adaa", "ADA", "a"):
                async with visitor(server, token(user)) as nearly:
                    assert await refused(nearly.subscribe("dialog:it#ada,cy")) == 103
            backend.publish("dialog:it#ada,cy", "for two")
            assert (await dialog.receive()).data == "for two"
            await bob.subscribe("square:after")  # Whatever was meant for him has come before this answer.
            assert not bob.unread

    async def test_a_subscription_token_of_somebody_else(self, server: TidingsNode) -> None:
        """Is no accident."""
        async with visitor(server, token("eve")) as eve:
            assert await ended(eve, eve.subscribe("shut:orders", token=token("bob", channel="shut:orders"))) == 3500

    def test_secrets_are_not_shown(self, server: TidingsNode) -> None:
        """Neither by `config show` nor by the log of all that happened here."""
        shown = run("config", "show", "--config", server.config)
        assert shown.returncode == 0
        said = "\n".join([shown.stdout, *server.process.lines])
        assert SECRET not in said and KEY not in said


class TestInfrastructureSecurity:
    """What is around a node."""

    def test_redis_connection_security(self, tmp_path: Path) -> None:
        """A wrong password, and a certificate that nobody vouches for, end the start with one sentence without it."""
        need(RedisServer)
        port = ports.reserve()
        certificate, key = Authority(tmp_path).signed("redis")
        options = {"tls_port": str(port), "tls_cert_file": str(certificate), "tls_key_file": str(key)}
        try:
            with RedisServer(**options, tls_auth_clients="no", user="ann on >hunter2 ~* &* +@all") as redis:
                for url, fault in (
                    (f"redis://ann:wrongpass@127.0.0.1:{redis.port}", "WRONGPASS|password"),
                    (f"rediss://ann:hunter2@127.0.0.1:{port}", "certificate"),
                ):
                    tried = run("serve", "--port", "0", "--broker", url)
                    (line,) = [line for line in tried.stderr.splitlines() if line.startswith("tidings: ")]
                    assert tried.returncode == 1 and re.search(fault, line)
                    assert "wrongpass" not in tried.stderr and "hunter2" not in tried.stderr
        finally:
            ports.release(port)

    async def test_websocket_origin_validation(self, server: TidingsNode) -> None:
        """Pages that are named may connect, and no others."""
        async with PlainClient(server.websocket, headers={"Origin": "https://app.example"}):
            pass
        for origin in ("https://evil.example", "null", "https://app.example.evil.example"):
            with pytest.raises(UpgradeRefused, match="403"):
                await PlainClient(server.websocket, headers={"Origin": origin}).open()

    def test_ssl_tls_certificate_validation(self, tmp_path: Path) -> None:
        """A client that does not know the server's certificate does not go on; one that does is served."""
        certificate = self_signed(tmp_path)
        with TidingsNode({"server": {"tls_certificate": str(certificate), "tls_key": str(certificate)}}) as server:
            with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                httpx2.get(f"{server.url}/health")
            assert (
                httpx2.get(f"{server.url}/health", verify=ssl.create_default_context(cafile=certificate)).status_code
                == 200
            )

    def test_network_isolation(self) -> None:
        """Back ends and operators have an address of their own, where that is asked for."""
        port = ports.reserve()
        try:
            with TidingsNode({"api": {"key": KEY}, "server": {"internal_port": port}}) as server:
                headers = {"X-API-Key": KEY}
                for base, status in ((server.url, 404), (f"http://127.0.0.1:{port}", 200)):
                    assert httpx2.post(f"{base}/api/info", content=b"{}", headers=headers).status_code == status
        finally:
            ports.release(port)


async def rights(one: Client, channel: str, *, stays: bool = False) -> str:
    """What it may do with a channel: S(ubscribe), P(ublish), read the H(istory), see W(ho) is present.

    With `stays` the latter are tried while it is subscribed.
    """
    found = "S" if await _may(one.subscribe(channel)) else ""
    if found and not stays:
        await one.unsubscribe(channel)
    found += "P" if await _may(one.publish(channel, 1)) else ""
    found += "H" if await _may(one.history(channel)) else ""
    found += "W" if await _may(one.presence(channel)) else ""
    return found


async def _may(asked: Awaitable[object]) -> bool:
    try:
        await asked
    except ReplyError as error:
        assert error.code == 103
        return False
    return True


def signed_by_hand(claims: dict[str, Any], key: bytes) -> str:
    """What PyJWT refuses to do: sign with HMAC and a public key."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    signed = f"{part(json.dumps({'alg': 'HS256'}).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"
