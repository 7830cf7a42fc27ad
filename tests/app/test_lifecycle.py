"""A server from its address on: who listens where, and what is said when somebody else does."""

from __future__ import annotations

import socket

import pytest

from tidings import Tidings
from tidings.app import lifecycle
from tidings.errors import SettingsError

pytestmark = pytest.mark.shell


async def test_somebody_begins_to_listen_in_between() -> None:
    """After the address was bound and before the server listens: one sentence, and nothing is left running."""
    bound = lifecycle.bind("127.0.0.1", 0)
    host, port = bound.getsockname()
    with bound, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((host, port))
        other.listen()
        hub = Tidings(settings={})
        server = lifecycle.Server(hub, lambda: pytest.fail("it listens"))
        server.signals = ()
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            await server.serve(sockets=[bound])
        assert hub.node.is_leaving
