"""A client of any WebSocket: of JSON, of text, of binary messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ssl import SSLContext
from typing import Any

import msgspec

from tidings.testing.clients.socket import Data
from tidings.testing.clients.transcript import Direction, Letter, Observer
from tidings.testing.clients.websocket import WebSocketConversation


class PlainClient(WebSocketConversation[Any]):
    """Says and hears values.

    With `json` a value is sent as JSON text, and a text that is JSON is received as the value that it says; any other
    text is received as a `str`. Without it a `str` is a text message in both directions. A binary message is `bytes`
    in any case. With `lines` each line of a text is a message of its own, for servers that put several into one.

    `headers` are further ones of the handshake, such as `Origin`. `name` tells clients apart in failures.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        json: bool = True,
        lines: bool = False,
        ssl: SSLContext | None = None,
        compression: bool = False,
        name: str = "",
        patience: float | None = None,
        on_frame: Observer | None = None,
    ) -> None:
        super().__init__(
            url,
            headers=headers,
            subprotocols=subprotocols,
            ssl=ssl,
            compression=compression,
            name=name,
            patience=patience,
            on_frame=on_frame,
        )
        self._json = json
        self._lines = lines

    async def send(self, value: Any) -> None:
        """Send a value: `bytes` as a binary message, anything else as text.

        Raises `TypeError` for what cannot be said so, and `ConversationError` if the connection has ended.
        """
        if isinstance(value, bytes | bytearray | memoryview):
            await self.send_bytes(bytes(value))
        elif self._json:
            await self._send(msgspec.json.encode(value).decode(), value)
        elif isinstance(value, str):
            await self.send_text(value)
        else:
            raise TypeError(f"without `json` a message is str or bytes, not {type(value).__name__}")

    def _hear(self, data: Data) -> None:
        for part in data.removesuffix("\n").split("\n") if self._lines and isinstance(data, str) else [data]:
            value = part if isinstance(part, bytes) or not self._json else decoded(part)
            self._record.add(Direction.RECEIVED, value)
            letter = Letter[Any](value)
            self._record.transcript.attach(letter)
            self.put(letter)
        self._record.wake()


def decoded(text: str) -> Any:
    """What a text says, as JSON; the text itself where it is none."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
