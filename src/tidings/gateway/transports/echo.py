"""A peer that says everything back, so that protocol conformance suites can judge a transport."""

from __future__ import annotations

from tidings.gateway.transports.base import Transport

# Conformance suites send messages of up to 16 MiB.
MESSAGE_LIMIT_BYTES = 16 * 1024 * 1024

# How much may wait for a client that sends without reading.
BACKLOG_LIMIT_BYTES = 4 * MESSAGE_LIMIT_BYTES

_GOING_AWAY = 1001
_POLICY_VIOLATION = 1008


class Echo:
    """Returns every message through the transport it came from, text as text and binary as binary."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._paused = False
        self._backlog_bytes = 0

    def receive(self, payload: bytes) -> None:
        if self._paused:
            self._backlog_bytes += len(payload)
        if self._backlog_bytes > BACKLOG_LIMIT_BYTES:
            self._transport.close(_POLICY_VIOLATION, "slow")
        self._transport.send(payload, text=self._transport.text)

    def pong(self) -> None:
        pass

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._backlog_bytes = 0

    def lost(self, code: int, reason: str) -> None:
        pass

    def shutdown(self) -> None:
        self._transport.close(_GOING_AWAY, "server is stopping")
