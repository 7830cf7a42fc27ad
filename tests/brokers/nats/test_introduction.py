"""Who may come in and what they may say: credentials, permissions, certificates, and strangers on the same subjects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from nats.aio.client import Client
from tests.gateway.transports.conftest import certificate

from tidings.brokers.nats import NatsBroker, envelope, parse
from tidings.clock import SystemClock
from tidings.errors import BrokerUnavailable
from tidings.model import Publication
from tidings.testing import NatsServer
from tidings.testing.contracts import Node

pytestmark = [pytest.mark.world, pytest.mark.L3]

PERMISSIONS = """
authorization {
    users = [{
        user: ann, password: secret,
        permissions: {
            publish: {allow: "tidings.>", deny: "tidings.channel.Shut"},
            subscribe: {allow: "tidings.>", deny: "tidings.channel.Deaf"}
        }
    },
    {user: bob, password: secret, permissions: {publish: {deny: "tidings.echo.>"}}},
    {user: cat, password: secret}]
}
"""


@asynccontextmanager
async def node_at(url: str, timeout: float = 1.0) -> AsyncIterator[Node]:
    node = Node(NatsBroker(parse(url), SystemClock(), publish_timeout=timeout), 5.0)
    try:
        await node.broker.start(node)
        yield node
    finally:
        await node.broker.stop()


async def hears_itself(url: str) -> bool:
    async with node_at(url) as node:
        await node.broker.subscribe("news")
        await node.broker.publish("news", Publication(b"1"))
        return await node.heard_data("news", 1) == [b"1"]


def as_user(nats: NatsServer, who: str, scheme: str = "nats") -> str:
    return f"{scheme}://{who}@127.0.0.1:{nats.port}"


# Who may come in.


async def test_a_user_with_a_password():
    """Nobody else comes in, and is told why."""
    with NatsServer("--user", "ann", "--pass", "se/cr@t") as nats:
        assert await hears_itself(as_user(nats, "ann:se%2Fcr%40t"))
        for url in (as_user(nats, "ann:wrong"), as_user(nats, "token"), nats.url):
            with pytest.raises(BrokerUnavailable, match="Authorization Violation"):
                await hears_itself(url)


async def test_a_token():
    """A single word before the host."""
    with NatsServer("--auth", "t0ken") as nats:
        assert await hears_itself(as_user(nats, "t0ken"))
        with pytest.raises(BrokerUnavailable, match="Authorization Violation"):
            await hears_itself(as_user(nats, "another"))


async def test_tls(tmp_path: Path):
    """With a certificate that is trusted; nobody who asked for TLS goes without."""
    chain, key = certificate(tmp_path)
    with NatsServer("--tls", "--tlscert", str(chain), "--tlskey", str(key), "--auth", "t0ken") as nats:
        url = as_user(nats, "t0ken", "tls")
        assert await hears_itself(f"{url}?ssl_ca_certs={chain}")
        assert await hears_itself(f"{url}?ssl_cert_reqs=none")
        for untrusting in (url, as_user(nats, "t0ken")):
            with pytest.raises(BrokerUnavailable, match="certificate verify failed"):
                await hears_itself(untrusting)


async def test_tls_is_not_given_up(nats_server: NatsServer):
    """A server that offers none, or somebody between, does not even hear the credentials."""
    with pytest.raises(BrokerUnavailable, match="the server does not offer TLS"):
        await hears_itself(as_user(nats_server, "t0ken", "tls"))


async def test_a_client_certificate(tmp_path: Path):
    """For a server that asks for one."""
    chain, key = certificate(tmp_path)
    with NatsServer("--tlsverify", "--tlscert", str(chain), "--tlskey", str(key), "--tlscacert", str(chain)) as nats:
        url = f"tls://127.0.0.1:{nats.port}?ssl_ca_certs={chain}"
        assert await hears_itself(f"{url}&ssl_certfile={chain}&ssl_keyfile={key}")
        with pytest.raises(BrokerUnavailable):
            await hears_itself(url)


async def test_stopping_in_the_middle_of_coming_in(tmp_path: Path):
    """At whatever moment, over TLS and without; nothing is left of the attempt, and nobody waits for it."""
    chain, key = certificate(tmp_path)
    with NatsServer("--tls", "--tlscert", str(chain), "--tlskey", str(key)) as nats:
        for url in (f"tls://127.0.0.1:{nats.port}?ssl_ca_certs={chain}", nats.url, "nats://127.0.0.1:1"):
            for number in range(40):
                broker = NatsBroker(parse(url), SystemClock(), publish_timeout=number * 0.0005)
                with suppress(BrokerUnavailable):
                    await broker.start(Node(broker, 5.0))
                async with asyncio.timeout(5.0):
                    await broker.stop()


# What they may say.


async def test_what_is_not_permitted_is_refused(tmp_path: Path):
    """The server drops it and says so; that is no confirmation. Everything else goes on."""
    config = tmp_path / "nats.conf"
    config.write_text(PERMISSIONS)
    with NatsServer("-c", str(config)) as nats:
        async with node_at(as_user(nats, "ann:secret")) as node:
            await node.broker.subscribe("news")
            await node.broker.subscribe("Shut")
            with pytest.raises(BrokerUnavailable, match="refuses: permissions violation for publish"):
                await node.broker.publish("Shut", Publication(b"1"))
            await node.broker.subscribe("Shut")
            async with node_at(as_user(nats, "cat:secret")) as other:
                await other.broker.publish("Shut", Publication(b"once"))
            assert await node.heard_until("Shut", b"once") == [b"once"]
            for _ in range(2):
                refused = await asyncio.gather(*(node.broker.subscribe("Deaf") for _ in "ab"), return_exceptions=True)
                for each in refused:
                    assert isinstance(each, BrokerUnavailable)
                    assert "refuses: permissions violation for subscription" in str(each)
            await node.broker.publish("Deaf", Publication(b"1"))
            await node.broker.publish("news", Publication(b"2"))
            assert await node.heard_data("news", 1) == [b"2"]
        with pytest.raises(BrokerUnavailable, match="without which nothing is ever confirmed"):
            await hears_itself(as_user(nats, "bob:secret"))


# Strangers.


async def test_a_stranger_hears_what_is_published(nats_server: NatsServer):
    """nats-py finds it below the subject that the docs name."""
    async with node_at(nats_server.url) as node:
        stranger = Client()
        await stranger.connect(nats_server.url)
        heard = await stranger.subscribe("tidings.channel.chat:v1=2E0")
        await stranger.flush()
        await node.broker.publish("chat:v1.0", Publication(b"{}"))
        message = await heard.next_msg()
        assert envelope.decode_publication(message.data).data == b"{}"
        await stranger.close()


async def test_publications_at_the_same_time_share_their_confirmation(nats_server: NatsServer):
    """One word comes back for all of them, and for each that is alone."""
    async with node_at(nats_server.url, 20.0) as node:
        stranger = Client()
        await stranger.connect(nats_server.url)
        echoes = await stranger.subscribe("tidings.echo.*")
        await stranger.flush()
        await asyncio.gather(*(node.broker.publish("news", Publication(b"1")) for _ in range(400)))
        await stranger.flush()
        assert echoes.pending_msgs == 1
        for _ in range(3):
            await node.broker.publish("news", Publication(b"1"))
        await stranger.flush()
        assert echoes.pending_msgs == 4
        await stranger.close()


async def test_what_nobody_can_read_is_passed_over(nats_server: NatsServer):
    """Whoever may publish below our prefix can say what they like; what follows is heard."""
    async with node_at(nats_server.url) as node:
        await node.broker.subscribe("news")
        stranger = Client()
        await stranger.connect(nats_server.url)
        for content in (b"", b"p", b"pnonsense", b"j\x90", b"x", envelope.GONE, b"\xff" * 100):
            await stranger.publish("tidings.channel.news", content)
            await stranger.publish("tidings.nodes", content)
        await stranger.publish("tidings.channel.news", envelope.encode_publication(Publication(b"1"), 0.0))
        assert await node.heard_data("news", 1) == [b"1"]
        assert await node.broker.nodes() == {}
        await stranger.close()


async def test_prefixes_keep_apart(nats_server: NatsServer):
    """Two systems on one NATS hear nothing of each other."""
    brokers = [NatsBroker(parse(nats_server.url), SystemClock(), prefix=prefix) for prefix in ("one", "one.two")]
    async with Node(brokers[0], 5.0) as node, Node(brokers[1], 5.0) as other:
        for number, each in enumerate((node, other)):
            await each.broker.subscribe("news")
            await each.broker.join(f"{number}", b"", 60.0)
            await each.broker.publish("news", Publication(b"%d" % number))
        assert await node.heard_data("news", 1) == [b"0"]
        assert await other.heard_data("news", 1) == [b"1"]
        assert list(await node.broker.nodes()) == ["0"]


async def test_thousands_of_channels(nats_server: NatsServer):
    """Asked for at once, heard each, and without a task for each."""
    async with node_at(nats_server.url, 20.0) as node, node_at(nats_server.url, 20.0) as other:
        broker = node.broker
        before = len(asyncio.all_tasks())
        channels = [f"many:{number}" for number in range(5000)]
        await asyncio.gather(*map(broker.subscribe, channels))
        assert len(asyncio.all_tasks()) == before
        await asyncio.gather(*(other.broker.publish(each, Publication(b"1")) for each in channels))
        for each in channels:
            assert await node.heard_data(each, 1) == [b"1"]
