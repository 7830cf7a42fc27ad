"""`python -m tidings.testing.faults`: driven over HTTP, as Toxiproxy's clients in other languages do it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest
from redis import Redis
from redis.exceptions import RedisError

from tidings.testing.services import RedisServer, Service

pytestmark = [pytest.mark.world, pytest.mark.L3]


class Program(Service):
    name = "faults"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tidings.testing.faults", "--port", str(self.port)]

    def is_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/version").is_success
        except httpx2.HTTPError:
            return False


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as redis:
        yield redis


@pytest.fixture
def program() -> Iterator[Program]:
    with Program() as program:
        yield program


def test_redis_through_a_proxy_that_http_made(program: Program, redis: RedisServer):
    with httpx2.Client(base_url=program.url) as api:
        made = api.post(
            "/proxies", json={"name": "redis", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{redis.port}"}
        )
        host, _, port = made.json()["listen"].rpartition(":")
        with Redis(host, int(port), socket_timeout=0.5, retry=None) as client:
            assert client.ping()
            timeout = {"type": "timeout", "stream": "upstream", "attributes": {"timeout": 0}}
            assert api.post("/proxies/redis/toxics", json=timeout).is_success
            with pytest.raises(RedisError, match="Timeout"):
                client.ping()
            assert api.post("/reset").status_code == 204
            assert client.ping()
            assert api.post("/proxies/redis", json={"enabled": False}).json()["enabled"] is False
            with pytest.raises(RedisError):
                client.ping()
            with pytest.raises(RedisError, match="refused"):
                client.ping()
            api.post("/reset")
            assert client.ping()
            assert api.delete("/proxies/redis").status_code == 204


def test_it_ends_with_its_proxies(program: Program, redis: RedisServer):
    """Gently, also while a connection is open."""
    fields = {"name": "redis", "upstream": f"127.0.0.1:{redis.port}"}
    listen = httpx2.post(f"{program.url}/proxies", json=fields).json()["listen"]
    host, _, port = listen.rpartition(":")
    with Redis(host, int(port), retry=None) as client:
        assert client.ping()
        process = program.process
        process.stop(10.0)
        assert "Application shutdown complete" in process.log
        with pytest.raises(RedisError):
            client.ping()


def test_an_occupied_port_is_told(program: Program):
    done = subprocess.run(program.command(), capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    assert done.stderr == (
        f"Cannot listen on 127.0.0.1:{program.port}: Address already in use; end who does, or choose another --port.\n"
    )
