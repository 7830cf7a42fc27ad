"""A conversation over a WebSocket, whatever is said on it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from ssl import SSLContext
from typing import Any, TypeVar

from websockets.exceptions import ConnectionClosed

from tidings.testing.clients.conversation import Conversation
from tidings.testing.clients.socket import Data, Refused, WebSocket, open_socket
from tidings.testing.clients.stream import NOT_OPENED, ConversationError
from tidings.testing.clients.transcript import Direction, Observer

T = TypeVar("T")


class UpgradeRefused(ConversationError):
    """No WebSocket came about. `status` is that of the HTTP answer, 0 where there was none."""

    status = 0


class WebSocketConversation(Conversation[T]):
    """What `PlainClient` and `Client` can do to their socket."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        ssl: SSLContext | None = None,
        compression: bool = False,
        name: str = "",
        patience: float | None = None,
        on_frame: Observer | None = None,
    ) -> None:
        super().__init__(f"{url} by {name}" if name else url, patience=patience, on_frame=on_frame)
        self.url = url
        self.name = name
        self.headers = dict(headers or {})
        # A text is a sequence as well, of its letters.
        self._subprotocols = [subprotocols] if isinstance(subprotocols, str) else list(subprotocols)
        self._ssl = ssl
        self._compression = compression
        self._socket: WebSocket | None = None

    @property
    def is_open(self) -> bool:
        return self._socket is not None and not self._socket.is_ended

    @property
    def subprotocol(self) -> str:
        """The one that the server chose, "" for none."""
        return self._socket.subprotocol if self._socket is not None else ""

    async def open(self) -> None:
        """Open the WebSocket. Raises `UpgradeRefused` if there is none to be had."""
        await self.leave()
        try:
            connection, file = await open_socket(
                self.url,
                headers=self.headers,
                subprotocols=self._subprotocols,
                ssl=self._ssl,
                compression=self._compression,
                timeout=self.patience,
            )
        except Refused as refusal:
            error = UpgradeRefused(str(refusal), self._record.transcript)
            error.status = refusal.status
            raise error from refusal
        self._socket = WebSocket(connection, file, hear=self._hear, lost=self._record.close, fail=self._record.fail)
        # No message is taken in before this returns to the loop.
        try:
            self._record.reopen()
        except BaseException:
            await self.leave()
            raise

    async def send_text(self, text: str) -> None:
        """Send a text message as it stands. Raises `ConversationError` if the connection has ended."""
        await self._send(text, text)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message as it stands. Raises `ConversationError` if the connection has ended."""
        await self._send(data, data)

    def stall(self) -> None:
        """Stop reading, so that the server meets a client that is connected and does not read.

        The kernel takes in some 128 KiB for this client, and the server's own kernel up to 4 MiB more, which the
        receiver cannot lessen. A server waits for this client only after that: send it 16 MB.
        """
        self._record.add(Direction.NOTED, "stops reading")
        self._opened().stall()

    def resume(self) -> None:
        """Read on, beginning with all that has come meanwhile."""
        self._record.add(Direction.NOTED, "reads on")
        self._opened().resume()

    def drop(self) -> None:
        """End TCP by a reset, without a close frame. `expect_closed` then returns code 1006."""
        self._record.add(Direction.NOTED, "drops the connection")
        self._opened().drop()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a code and a reason of this client, and wait until it is done. Repeating it is harmless."""
        try:
            if self.is_open:
                self._record.add(Direction.NOTED, f"closes with {code} {reason}".rstrip())
        finally:  # Also when the observer fails.
            if self._socket is not None:
                await self._socket.close(code, reason)

    async def leave(self) -> None:
        await self.close()

    @abstractmethod
    def _hear(self, data: Data) -> Data | None:
        """Take in one message, and return what is to be sent back at once."""

    async def _send(self, data: Data, content: Any) -> None:
        """Send a message, of which the conversation keeps the content."""
        socket = self._opened()
        try:
            self._record.add(Direction.SENT, content)
            await socket.send(data)
        except ConnectionClosed as error:
            raise self._record.error("The connection was closed, so that nothing can be sent.") from error

    def _opened(self) -> WebSocket:
        if self._socket is None:
            raise self._record.error(NOT_OPENED)
        return self._socket
