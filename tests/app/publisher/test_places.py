"""Where else a publisher can publish: to a server with TLS, and through NATS."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.app.publisher.conftest import CHANNELS, KEY, PATIENCE
from tests.world.certificates import self_signed

from tidings import Publisher, TidingsError
from tidings.errors import NotAvailable
from tidings.model import StreamPosition
from tidings.testing import Client, NatsServer, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]


def test_tls(tmp_path: Path) -> None:
    """A server is verified. One that is not to be trusted is no matter of patience, and learns nothing."""
    certificate = str(self_signed(tmp_path))
    settings = {"api": {"key": KEY}, "channels": CHANNELS}
    with TidingsNode({**settings, "server": {"tls_certificate": certificate, "tls_key": certificate}}) as node:
        with Publisher(node.url, key=KEY, verify=certificate) as trusting:
            assert trusting.publish("kept:1", 1).offset == 1
        with Publisher(node.url, key=KEY, timeout=PATIENCE) as distrusting:
            began = time.monotonic()
            with pytest.raises(TidingsError, match=r"is not to be trusted: self.signed certificate; verify= names"):
                distrusting.publish("kept:1", 2)
            assert time.monotonic() - began < PATIENCE / 2
        plain = Publisher(node.url.replace("https", "http"), key=KEY, timeout=1.0)
        with plain, pytest.raises(TidingsError, match="outcome unknown"):
            plain.publish("kept:1", 3)


async def test_nats() -> None:
    """At most once, without positions; what NATS cannot do is said, and not left out."""
    with NatsServer() as nats, TidingsNode({"client": {"insecure": True}, "broker": {"url": nats.url}}) as node:
        async with Client(node.websocket, patience=PATIENCE) as client:
            heard = await client.subscribe("news")
            with Publisher(nats.url, settings={}, timeout=PATIENCE) as publisher:
                assert publisher.publish("news", 1) == StreamPosition()
                for number in range(2, 50):
                    publisher.publish_soon("news", number)
                with pytest.raises(NotAvailable):
                    publisher.publish("news", 50, idempotency_key="x")
            assert [(await heard.receive()).data for _ in range(1, 50)] == list(range(1, 50))
