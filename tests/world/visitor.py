"""A client without an SDK: a bare WebSocket, and the JSON on it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PATIENCE = 20.0

Json = dict[str, Any]


class Visitor:
    """An open WebSocket; nothing is said on it before the test does.

    >>> with Visitor(server.websocket) as visitor:
    ...     visitor.ask(connect={"token": "…"})
    """

    def __init__(self, websocket: str, context: ssl.SSLContext | None = None) -> None:
        self._connecting = connect(websocket, ssl=context)
        self._replies = self._read()
        self._last_id = 0

    def __enter__(self) -> Self:
        self._websocket = self._connecting.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connecting.__exit__(kind, error, traceback)

    def ask(self, **command: Json) -> Json:
        """The reply to a command. What is pushed before it is skipped."""
        self._last_id += 1
        self._websocket.send(json.dumps({"id": self._last_id, **command}))
        return next(reply for reply in self._replies if reply.get("id") == self._last_id)

    def publication(self) -> Json:
        """The next publication; other pushes before it are skipped."""
        pushes = (reply["push"] for reply in self._replies if "push" in reply)
        publication: Json = next(push["pub"] for push in pushes if "pub" in push)
        return publication

    def farewell(self) -> tuple[int, str]:
        """The code and reason with which the server ends the connection."""
        try:
            for _ in self._replies:
                pass
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "the connection ended without a word"
            return closed.rcvd.code, closed.rcvd.reason
        raise AssertionError("unreachable: reading ends with an exception")

    def _read(self) -> Iterator[Json]:
        while True:
            yield from map(json.loads, str(self._websocket.recv(PATIENCE)).split("\n"))
