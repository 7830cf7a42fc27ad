"""A client of Socket.IO, on python-socketio's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tidings.testing.clients.conversation import Conversation
from tidings.testing.clients.transcript import Closing, Direction, Letter, Observer

_REASONS = {"client disconnect": 1000, "server disconnect": 1000, "transport close": 1006, "transport error": 1006}
"""Socket.IO names the end of a connection and does not number it; these are WebSocket's nearest numbers."""


FAREWELL = 0.5
"""Seconds for the goodbye, which with polling the server may answer only after its ping interval."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event and its arguments. `at` is when it came, in seconds since the conversation began."""

    name: str
    arguments: tuple[Any, ...]
    at: float

    @property
    def data(self) -> Any:
        """The only argument, None where there is none, and all of them where there are several."""
        return {0: None, 1: next(iter(self.arguments), None)}.get(len(self.arguments), self.arguments)


class SocketIoClient(Conversation[Event]):
    """Receives the events of one namespace as a `Stream` does. It does not reconnect by itself.

    `auth` goes with the connect. `transports` are "websocket" and "polling", in the order in which they are tried; with
    both the client begins with the second and upgrades to the first, as browsers do. `answers` are what an event that
    asks for an acknowledgement is answered, by its name; any other is acknowledged without a value.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "/",
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        path: str = "socket.io",
        transports: Sequence[str] = ("websocket",),
        answers: Mapping[str, Any] | None = None,
        name: str = "",
        patience: float | None = None,
        on_frame: Observer | None = None,
    ) -> None:
        title = f"{url} ({namespace})" if namespace != "/" else url
        super().__init__(f"{title} by {name}" if name else title, patience=patience, on_frame=on_frame)
        self.url, self.namespace, self.name = url, namespace, name
        self._auth, self._headers, self._path = auth, dict(headers or {}), path
        self._transports, self._answers = list(transports), answers or {}
        self._client: Any = None
        self._http: Any = None

    @property
    def is_open(self) -> bool:
        return self._client is not None and self._client.connected

    @property
    def sid(self) -> str:
        """The server's name for this client in the namespace."""
        return str(self._client.get_sid(self.namespace) or "") if self._client is not None else ""

    async def open(self) -> None:
        """Connect to the namespace. Raises `ConversationError`, with the server's word, if it is refused."""
        await self.leave()
        self._prepare()
        refusals: list[Any] = []
        self._client.on("connect_error", refusals.append, namespace=self.namespace)
        try:
            await self._client.connect(
                self.url,
                headers=self._headers,
                auth=self._auth,
                transports=self._transports,
                namespaces=[self.namespace],
                socketio_path=self._path,
                wait_timeout=self.patience,
            )
        except self._errors().ConnectionError as error:
            await self.leave()
            said = f"{error}" + "".join(f" ({refusal})" for refusal in refusals)
            raise self._record.error(f"{self.url} did not let this client in: {said}") from error
        except BaseException:
            await self.leave()
            raise

    async def emit(self, event: str, *arguments: Any) -> None:
        """Send an event. Raises `ConversationError` if the connection has ended."""
        self._require_connected()
        self._record.add(Direction.SENT, [event, *arguments])
        await self._client.emit(event, arguments, namespace=self.namespace)

    async def call(self, event: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Send an event and return what the server acknowledges it with: a value, or a tuple of several.

        Raises `ConversationError` if there is no acknowledgement in time, or the connection ends before.
        """
        answers: list[tuple[Any, ...]] = []

        def acknowledged(*values: Any) -> None:
            answers.append(values)
            self._record.add(Direction.RECEIVED, {"ack": event, "values": values})
            self._record.wake()

        self._require_connected()
        self._record.add(Direction.SENT, [event, *arguments])
        await self._client.emit(event, arguments, namespace=self.namespace, callback=acknowledged)
        (values,) = await self._wait(lambda: answers or None, lambda: f"the acknowledgement of {event}", timeout)
        return values if len(values) > 1 else next(iter(values), None)

    async def close(self) -> None:
        """Leave the namespace and close the connection. Repeating it is harmless."""
        await self.leave()

    async def leave(self) -> None:
        if self._client is None:
            return
        client, self._client = self._client, None
        leaving = asyncio.create_task(_disconnected(client))
        await asyncio.wait([leaving], timeout=FAREWELL)
        # A poll that the server still holds back ends with the session.
        await self._http.close()
        await leaving

    def _prepare(self) -> None:
        """A client of python-socketio, whose HTTP session is ours: so it is us who close it."""
        try:
            library, http = import_module("socketio"), import_module("aiohttp")
        except ModuleNotFoundError as error:
            raise ImportError(
                "SocketIoClient needs python-socketio: pip install python-socketio[asyncio_client]"
            ) from error
        self._http = http.ClientSession()
        self._client = library.AsyncClient(reconnection=False, handle_sigint=False, http_session=self._http)
        self._client.on("connect", self._connected, namespace=self.namespace)
        self._client.on("disconnect", self._disconnected, namespace=self.namespace)
        self._client.on("*", self._hear, namespace=self.namespace)

    def _connected(self) -> None:
        self._record.reopen()

    def _disconnected(self, reason: str) -> None:
        self._record.close(Closing(_REASONS.get(reason, 1006), reason))

    def _hear(self, name: str, *arguments: Any) -> Any:
        frame = self._record.add(Direction.RECEIVED, [name, *arguments])
        letter = Letter(Event(name, arguments, frame.at))
        self._record.transcript.attach(letter)
        self.put(letter)
        self._record.wake()
        return self._answers.get(name)

    def _require_connected(self) -> None:
        if not self.is_open:
            raise self._record.error("The client is not connected, so that nothing can be sent.")

    def _errors(self) -> Any:
        return import_module("socketio.exceptions")


async def _disconnected(client: Any) -> None:
    await client.disconnect()
    await client.eio.wait()
