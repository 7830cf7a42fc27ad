"""What a Redis can refuse: one sentence with the reason, in bounded time, and all is well when the cause is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest
from tests.brokers.redis.certificates import Authority

from tidings.brokers.base import Retention
from tidings.brokers.redis import RedisBroker, parse
from tidings.clock import SystemClock
from tidings.errors import BrokerUnavailable, SettingsError
from tidings.model import ClientInfo, Publication
from tidings.testing import RedisServer
from tidings.testing.contracts import Node
from tidings.testing.services import ports
from tidings.testing.services.redis import ask

pytestmark = [pytest.mark.world, pytest.mark.L3]

TIMEOUT = 1.0
"""Seconds that a call may wait."""

SLACK = 2.0
"""Seconds by which a busy machine may be late."""

PATIENCE = 10.0
KEPT = Retention(size=100, ttl=60.0, meta_ttl=3600.0)
HELLO = Publication(b"hello")


def broker(url: str, *, timeout: float = TIMEOUT) -> RedisBroker:
    return RedisBroker(parse(url), SystemClock(), publish_timeout=timeout)


@pytest.fixture
async def own() -> AsyncIterator[RedisServer]:
    """A server of this test alone."""
    async with RedisServer() as own:
        yield own


@asynccontextmanager
async def refused(sentence: str, *, within: float = TIMEOUT) -> AsyncIterator[None]:
    """What happens in the block is refused in time, and said why."""
    began = monotonic()
    with pytest.raises(BrokerUnavailable, match=sentence) as refusal:
        yield
    assert monotonic() - began < within + SLACK
    assert "\n" not in str(refusal.value)
    assert refusal.value.temporary


async def works(node: Node) -> None:
    """What is kept is heard."""
    await node.broker.subscribe("news")
    accepted = await node.broker.append("news", Publication(b"works"), KEPT)
    await node.heard_until("news", b"works")
    assert (await node.broker.read("news", KEPT)).top == accepted.position


async def works_in_the_end(node: Node) -> None:
    """As soon as the broker has found out that it may."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await works(node)
                return
            except BrokerUnavailable:
                await asyncio.sleep(0)


async def starts_in_the_end(one: RedisBroker) -> None:
    """As soon as it tries again."""
    node = Node(one, PATIENCE)
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(BrokerUnavailable):
                await one.start(node)
                break
    await works(node)


async def cannot_start(url: str, sentence: str, *, within: float = TIMEOUT) -> None:
    one = broker(url)
    try:
        async with refused(sentence, within=within):
            await one.start(Node(one, PATIENCE))
    finally:
        await one.stop()


# While it runs.


async def test_out_of_memory(own: RedisServer):
    """Nothing is kept, and what need not be kept is carried on."""
    async with Node(broker(own.url), PATIENCE) as node:
        await works(node)
        own.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1")
        async with refused("the broker refuses: OOM", within=0):
            await node.broker.append("news", HELLO, KEPT)
        async with refused("the broker refuses: OOM", within=0):
            await node.broker.enter("news", ClientInfo("ann", "1"), 60.0)
        await node.broker.publish("news", Publication(b"not kept"))
        assert await node.heard_data("news", 2) == [b"works", b"not kept"]
        assert (await node.broker.read("news", KEPT)).top.offset == 1
        own.ask("CONFIG", "SET", "maxmemory", "0")
        assert (await node.broker.append("news", HELLO, KEPT)).position.offset == 2


async def test_a_replica_takes_nothing(own: RedisServer):
    """Publications wait until it is a master again; which is another reign."""
    async with Node(broker(own.url), PATIENCE) as node:
        await works(node)
        before = (await node.broker.read("news", KEPT)).top
        own.ask("REPLICAOF", "127.0.0.1", "1")
        async with refused("READONLY the server is a replica, which takes no publications"):
            await node.broker.append("news", HELLO, KEPT)
        own.ask("REPLICAOF", "NO", "ONE")
        await works_in_the_end(node)
        after = (await node.broker.read("news", KEPT)).top
        assert after.offset > before.offset
        assert after.epoch != before.epoch


async def test_scripts_that_were_flushed(own: RedisServer):
    """Nobody notices, whatever is called next."""
    ann = ClientInfo("ann", "1")
    async with Node(broker(own.url), PATIENCE) as node:
        await works(node)
        calls = (
            lambda: node.broker.append("news", HELLO, KEPT),
            lambda: node.broker.read("news", KEPT),
            lambda: node.broker.enter("news", ann, 60.0),
            lambda: node.broker.present("news"),
            lambda: node.broker.count("news"),
            lambda: node.broker.leave("news", "1"),
            lambda: node.broker.arrive("ann", "1", 60.0),
            lambda: node.broker.clients("ann"),
            lambda: node.broker.show("node", {"1": b"1"}, 60.0),
        )
        for each in calls:
            own.ask("SCRIPT", "FLUSH", "SYNC")
            await each()
        own.ask("SCRIPT", "FLUSH", "SYNC")
        accepted = await asyncio.gather(*(node.broker.append("news", HELLO, KEPT) for _ in range(50)))
        assert [one.position.offset for one in accepted] == list(range(3, 53))


async def test_connections_that_are_killed_under_way(own: RedisServer):
    """What had not been carried out is repeated, once, and in its order."""
    async with Node(broker(own.url, timeout=5.0), PATIENCE) as node:
        await works(node)
        own.ask("CLIENT", "PAUSE", 60_000, "WRITE")
        data = [b"%d" % number for number in range(50)]
        tasks = [asyncio.create_task(node.broker.append("news", Publication(each), KEPT)) for each in data]
        while own.ask("INFO", "clients")["blocked_clients"] < 1:
            await asyncio.sleep(0)
        own.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        own.ask("CLIENT", "UNPAUSE")
        accepted = await asyncio.gather(*tasks)
        assert [one.position.offset for one in accepted] == list(range(2, 52))
        assert await node.heard_data("news", 51) == [b"works", *data]


# Credentials and permissions.


async def test_a_wrong_password(own: RedisServer):
    """Or none; and the same broker starts when it is right after all."""
    url = own.url.replace("redis://", "redis://:right@")
    one = broker(url)
    own.ask("ACL", "SETUSER", "default", "resetpass", ">other", "on")
    try:
        async with refused("WRONGPASS"):
            await one.start(Node(one, PATIENCE))
        await cannot_start(own.url, "NOAUTH")
        _asked_as(own, "other", "ACL", "SETUSER", "default", ">right")
        await starts_in_the_end(one)
    finally:
        await one.stop()


async def test_a_password_that_changes(own: RedisServer):
    """Who is connected stays; who has to come back hears why it may not."""
    async with Node(broker(own.url), PATIENCE) as node:
        await works(node)
        own.ask("CONFIG", "SET", "requirepass", "other")
        await works(node)
        _asked_as(own, "other", "CLIENT", "KILL", "TYPE", "normal")
        async with refused("NOAUTH"):
            await node.broker.append("news", HELLO, KEPT)
        _asked_as(own, "other", "CONFIG", "SET", "requirepass", "")
        await works_in_the_end(node)


def _asked_as(redis: RedisServer, password: str, *words: object) -> None:
    """Ask a server that wants a password by now."""
    ask(redis.url.replace("redis://", f"redis://:{password}@"), *words)


@pytest.mark.parametrize(
    ("rules", "lacking"),
    [
        (("+@all", "-info", "~*", "&*"), "+info"),
        (("+hello", "+info"), "+@all"),
    ],
)
async def test_a_user_who_may_not_even_look(own: RedisServer, rules: tuple[str, ...], lacking: str):
    own.ask("ACL", "SETUSER", "ann", "on", ">secret", *rules)
    url = own.url.replace("redis://", "redis://ann:secret@")
    await cannot_start(url, "NOPERM")
    own.ask("ACL", "SETUSER", "ann", lacking, "~*", "&*")
    async with Node(broker(url), PATIENCE) as node:
        await works(node)


async def test_a_user_without_keys(own: RedisServer):
    """What is not kept is carried on."""
    own.ask("ACL", "SETUSER", "ann", "on", ">secret", "+@all", "&*", "~other:*")
    async with Node(broker(own.url.replace("redis://", "redis://ann:secret@")), PATIENCE) as node:
        async with refused("the broker refuses: NOPERM", within=0):
            await node.broker.append("news", HELLO, KEPT)
        await node.broker.subscribe("news")
        await node.broker.publish("news", HELLO)
        assert await node.heard_data("news", 1) == [b"hello"]
        own.ask("ACL", "SETUSER", "ann", "~tidings:*")
        await works(node)


async def test_a_user_without_channels(own: RedisServer):
    own.ask("ACL", "SETUSER", "ann", "on", ">secret", "+@all", "~*", "resetchannels")
    async with Node(broker(own.url.replace("redis://", "redis://ann:secret@")), PATIENCE) as node:
        async with refused("the broker refuses: NOPERM", within=0):
            await node.broker.subscribe("news")
        async with refused("the broker refuses: NOPERM", within=0):
            await node.broker.publish("news", HELLO)
        own.ask("ACL", "SETUSER", "ann", "&tidings:*")
        await works(node)


# Not there, or not what the URL says.


async def test_a_database_that_is_not_there(own: RedisServer):
    await cannot_start(own.url.removesuffix("/0") + "/99", "DB index is out of range")


async def test_a_closed_port(own: RedisServer):
    """And the same broker starts when somebody listens there after all."""
    own.kill()
    one = broker(own.url)
    try:
        async with refused("Connection refused"):
            await one.start(Node(one, PATIENCE))
        await asyncio.to_thread(own.restart)
        await starts_in_the_end(one)
    finally:
        await one.stop()


async def test_what_is_no_redis():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await cannot_start(f"redis://127.0.0.1:{port}", "the server does not speak the Redis protocol")


async def test_a_server_that_goes_away_and_comes_back(own: RedisServer):
    """Calls say why they cannot be made; subscriptions are there again by themselves."""
    async with Node(broker(own.url), PATIENCE) as node:
        await works(node)
        own.kill()
        async with refused("Connection refused"):
            await node.broker.append("news", HELLO, KEPT)
        async with refused("Connection refused", within=0):
            await node.broker.reach()
        await asyncio.to_thread(own.restart)
        await works_in_the_end(node)
        await node.broker.reach()


# TLS.


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@asynccontextmanager
async def encrypted(authority: Authority, *, asks_clients: bool) -> AsyncIterator[str]:
    """The TLS address of a server."""
    port = ports.reserve()
    certificate, key = authority.signed("server")
    options = {
        "tls_port": str(port),
        "tls_cert_file": str(certificate),
        "tls_key_file": str(key),
        "tls_ca_cert_file": str(authority.certificate),
        "tls_auth_clients": "yes" if asks_clients else "no",
    }
    try:
        async with RedisServer(**options):
            yield f"rediss://127.0.0.1:{port}"
    finally:
        ports.release(port)


async def test_an_encrypted_server(authority: Authority, tmp_path: Path):
    """Whoever trusts its authority, or does not ask, works with it; another authority is refused, and plain text."""
    stranger = Authority(tmp_path / "stranger")
    async with encrypted(authority, asks_clients=False) as url:
        for options in (f"ssl_ca_certs={authority.certificate}", "ssl_cert_reqs=none"):
            async with Node(broker(f"{url}?{options}", timeout=5.0), PATIENCE) as node:
                await works(node)
        await cannot_start(f"{url}?ssl_ca_certs={stranger.certificate}", "CERTIFICATE_VERIFY_FAILED|certificate verify")
        await cannot_start(url, "CERTIFICATE_VERIFY_FAILED|certificate verify")
        await cannot_start(url.replace("rediss", "redis"), "the server closed the connection|reset by peer")


async def test_a_server_that_asks_for_certificates(authority: Authority, tmp_path: Path):
    """Whoever has one that its authority signed is let in."""
    certificate, key = authority.signed("client")
    strange_certificate, strange_key = Authority(tmp_path / "stranger").signed("client")
    async with encrypted(authority, asks_clients=True) as url:
        trusting = f"{url}?ssl_ca_certs={authority.certificate}"
        async with Node(broker(f"{trusting}&ssl_certfile={certificate}&ssl_keyfile={key}"), PATIENCE) as node:
            await works(node)
        await cannot_start(trusting, "(?i)certificate required|closed the connection|reset by peer|alert")
        await cannot_start(
            f"{trusting}&ssl_certfile={strange_certificate}&ssl_keyfile={strange_key}",
            "(?i)unknown ca|closed the connection|reset by peer|alert",
        )


async def test_certificates_that_cannot_be_read():
    """That is for the operator, before anything is tried."""
    with pytest.raises(SettingsError, match="the certificates that it names cannot be used"):
        broker("rediss://127.0.0.1:1?ssl_ca_certs=/nowhere.pem")
