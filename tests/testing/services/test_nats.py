"""NatsServer: it carries messages, and with JetStream keeps them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from tests.testing.services.programs import need

from tidings.testing.services import NatsServer, ServiceError

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture(autouse=True)
def nats_is_installed(environment: object) -> None:
    need(NatsServer)


@contextmanager
def connected(nats: NatsServer) -> Iterator[BinaryIO]:
    """A client that has been greeted, and speaks by hand."""
    address = ("127.0.0.1", nats.port)
    with socket.create_connection(address, timeout=10.0) as connection, connection.makefile("rwb", buffering=0) as wire:
        assert wire.readline().startswith(b"INFO ")
        wire.write(b'CONNECT {"verbose":false}\r\n')
        yield wire  # type: ignore[misc]


def ask(nats: NatsServer, subject: str, **question: Any) -> dict[str, Any]:
    """The answer of JetStream's API."""
    body = json.dumps(question).encode() if question else b""
    with connected(nats) as wire:
        wire.write(b"SUB answer 1\r\nPUB %s answer %d\r\n%s\r\n" % (subject.encode(), len(body), body))
        assert wire.readline().startswith(b"MSG answer 1 ")
        answer: dict[str, Any] = json.loads(wire.readline())
    return answer


def test_it_carries_messages():
    with NatsServer() as nats, connected(nats) as listener, connected(nats) as speaker:
        listener.write(b"SUB news 1\r\nPING\r\n")
        assert listener.readline() == b"PONG\r\n"
        speaker.write(b"PUB news 2\r\nhi\r\n")
        assert listener.readline() == b"MSG news 1 2\r\n"
        assert listener.readline() == b"hi\r\n"
        assert nats.url == f"nats://127.0.0.1:{nats.port}"
        assert "jetstream" not in nats.info()


async def test_it_starts_in_asynchronous_code():
    async with NatsServer() as nats:
        assert nats.info()["port"] == nats.port


def test_streams_outlive_kill_and_restart():
    with NatsServer(jetstream=True) as nats:
        ask(nats, "$JS.API.STREAM.CREATE.events", name="events", subjects=["events.*"])
        assert ask(nats, "events.one", text="hi")["seq"] == 1
        port = nats.port
        nats.kill()
        assert nats.info() == {}
        nats.restart()
        assert nats.port == port
        assert ask(nats, "$JS.API.STREAM.INFO.events")["state"]["messages"] == 1


def test_an_argument_that_it_does_not_know_is_told():
    with pytest.raises(ServiceError, match="This nats-server does not know one of the arguments"):
        NatsServer("--no-such-thing").start()


def test_a_directory_of_something_else_is_told(tmp_path: Path):
    (tmp_path / "jetstream").write_text("no directory")
    with pytest.raises(
        ServiceError, match=r"nats ended with 1 while it was starting\.\nJetStream cannot use its directory"
    ):
        NatsServer(jetstream=True, directory=tmp_path).start()


def test_one_that_the_environment_names_is_used(environment: MutableMapping[str, str]):
    with NatsServer() as real:
        environment["NATS_URL"] = real.url
        with NatsServer() as given:
            assert given.url == real.url
            assert given.info()["server_id"] == real.info()["server_id"]


def test_one_without_jetstream_is_told(environment: MutableMapping[str, str]):
    with NatsServer() as real:
        environment["NATS_URL"] = real.url
        with pytest.raises(ServiceError, match="NATS_URL names a server without JetStream: start it with -js"):
            NatsServer(jetstream=True).start()
