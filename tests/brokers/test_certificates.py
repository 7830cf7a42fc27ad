"""Brokers over TLS: whoever cannot prove to be the server that the URL names gets neither a word nor a password."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.brokers.redis.certificates import Authority
from tests.testing.services.programs import need

from tidings.brokers.base import Broker
from tidings.brokers.endpoints import Tls
from tidings.brokers.nats import NatsBroker
from tidings.brokers.nats import parse as parse_nats
from tidings.brokers.redis import RedisBroker
from tidings.brokers.redis import parse as parse_redis
from tidings.clock import SystemClock
from tidings.errors import BrokerUnavailable
from tidings.testing import NatsServer, RedisServer
from tidings.testing.contracts import Node
from tidings.testing.services import ports

pytestmark = [pytest.mark.world, pytest.mark.L3]

TIMEOUT = 2.0
PATIENCE = 10.0

Serve = Callable[[tuple[Path, Path]], AbstractContextManager[str]]


@contextmanager
def redis(files: tuple[Path, Path]) -> Iterator[str]:
    """The address of an encrypted Redis with this certificate and key."""
    need(RedisServer)
    port = ports.reserve()
    options = {"tls_port": str(port), "tls_cert_file": str(files[0]), "tls_key_file": str(files[1])}
    try:
        with RedisServer(**options, tls_auth_clients="no"):
            yield f"rediss://127.0.0.1:{port}"
    finally:
        ports.release(port)


@contextmanager
def nats(files: tuple[Path, Path]) -> Iterator[str]:
    need(NatsServer)
    with NatsServer("--tls", "--tlscert", str(files[0]), "--tlskey", str(files[1])) as server:
        yield f"tls://127.0.0.1:{server.port}"


def broker(url: str) -> Broker:
    if url.startswith("redis"):
        return RedisBroker(parse_redis(url), SystemClock(), publish_timeout=TIMEOUT)
    return NatsBroker(parse_nats(url), SystemClock(), publish_timeout=TIMEOUT)


@pytest.mark.parametrize("serve", [redis, nats])
async def test_who_is_not_believed(serve: Serve, tmp_path: Path) -> None:
    """Signed by itself, expired, of another host, or signed by a stranger: each is refused without being asked to."""
    own, stranger = Authority(tmp_path / "own"), Authority(tmp_path / "stranger")
    trusted = f"?ssl_ca_certs={own.certificate}"
    cases = [
        (own.signed("good"), trusted, ""),
        (own.signed("untrusted"), "", "certificate verify failed"),
        (own.signed("expired", age=timedelta(days=2)), trusted, "certificate has expired"),
        (own.signed("tomorrow", age=timedelta(days=-1)), trusted, "not yet valid"),
        (own.signed("elsewhere", host="127.0.0.2"), trusted, "IP address mismatch"),
        (stranger.signed("strange"), trusted, "certificate verify failed"),
    ]
    for files, options, fault in cases:
        with serve(files) as url:
            one = broker(url + options)
            try:
                if not fault:
                    await one.start(Node(one, PATIENCE))
                    continue
                with pytest.raises(BrokerUnavailable, match=f"(?i){fault}"):
                    await one.start(Node(one, PATIENCE))
            finally:
                await one.stop()


def test_nothing_below_tls_1_2_is_spoken() -> None:
    """Whatever the machine's settings for OpenSSL would allow."""
    for tls in (Tls(), Tls(verify=False)):
        assert tls.context().minimum_version == ssl.TLSVersion.TLSv1_2
