"""Endpoints over TLS: only those whose certificate is good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.world.certificates import self_signed
from tests.world.webhooks.office import Receiver, known, settings

from tidings.testing import TidingsNode
from tidings.testing.clients import ReplyError

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path)


@pytest.fixture
def receiver(certificate: Path) -> Iterator[Receiver]:
    with Receiver(certificate) as receiver:
        yield receiver


async def test_a_certificate_that_is_known(receiver: Receiver, certificate: Path) -> None:
    with TidingsNode(settings(receiver, rpc={"ca_file": str(certificate), "timeout": 5.0})) as node:
        async with known(node.websocket) as client:
            receiver.answers("rpc", {"result": {"data": 1}})
            assert await client.rpc("m") == 1


async def test_a_certificate_of_a_stranger(receiver: Receiver) -> None:
    """Nothing is said to who cannot prove who they are."""
    with TidingsNode(settings(receiver, rpc={"timeout": 5.0})) as node:
        async with known(node.websocket) as client:
            with pytest.raises(ReplyError, match="100"):
                await client.rpc("m")
        assert "certificate verify failed" in node.process.log
    assert receiver.calls("rpc") == []
