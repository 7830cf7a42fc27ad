"""The kernel's way of finding out about peers that are gone without a word."""

from __future__ import annotations

import socket
from typing import Any

KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""After 15 s of silence, three probes 5 s apart; the names of Linux, passed over where a system lacks them."""


def keep_alive(connection: Any) -> None:
    """Ask for it. `connection` is what a transport calls its socket; None, of a transport that has none, is nothing."""
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
