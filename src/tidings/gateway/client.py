"""A connected client, as an application's handlers see it."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from msgspec import Struct

from tidings.errors import Disconnect
from tidings.gateway.fanout import Encoding
from tidings.gateway.transports.handshake import Handshake
from tidings.wire import payloads


class Line(Protocol):
    """The connection behind a client."""

    client_id: str
    handshake: Handshake | None
    encoding: Encoding

    @property
    def user(self) -> str: ...

    @property
    def info(self) -> bytes: ...

    @property
    def meta(self) -> bytes: ...

    @property
    def transport(self) -> str: ...

    @property
    def channels(self) -> list[str]: ...

    def push(self, data: bytes) -> None: ...

    def unsubscribe(self, channel: str) -> None: ...

    def disconnect(self, code: int, reason: str) -> None: ...


class Particulars(Struct, frozen=True):
    """Which connection it is, as endpoints of the application are told. `meta` is as it came, encoded."""

    client: str
    user: str
    transport: str
    protocol: str
    meta: bytes


class Client:
    """One connection of a user: a tab, a phone, a service.

    The same object is handed to every handler of a connection, so `state` may keep what belongs to it. All methods
    return at once; on a connection that is already gone they do nothing.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self.state: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Client {self.id} of user {self.user!r}>"

    @property
    def id(self) -> str:
        """The connection's id, unique in all time."""
        return self._line.client_id

    @property
    def user(self) -> str:
        """The user's id; "" for somebody anonymous."""
        return self._line.user

    @property
    def info(self) -> Any:
        """What others see of this connection, decoded; None where there is nothing."""
        return _decoded(self._line.info)

    @property
    def meta(self) -> Any:
        """What the token's `meta` claim, or `on_connect`, attached, decoded; clients never see it."""
        return _decoded(self._line.meta)

    @property
    def channels(self) -> list[str]:
        """The channels it is subscribed to now."""
        return self._line.channels

    @property
    def request(self) -> Handshake:
        """The HTTP request that opened the connection: headers, query, address."""
        assert self._line.handshake is not None, "requests are kept where there is an application to ask for them"
        return self._line.handshake

    def send(self, data: object) -> None:
        """Send data to this connection alone, outside all channels. Raises `BadRequest` if it cannot be encoded."""
        self._line.push(payloads.encode(data))

    def unsubscribe(self, channel: str) -> None:
        """End one of its subscriptions."""
        self._line.unsubscribe(channel)

    def disconnect(self, code: int = 3503, reason: str = "force disconnect") -> None:
        """End the connection. The code decides whether the client comes back: see `Disconnect`.

        Raises `ValueError` for a code or a reason that cannot be sent.
        """
        ended = Disconnect(code, reason)
        self._line.disconnect(ended.code, ended.reason)


def particulars(client: Client) -> Particulars:
    """Which connection a client is, in one value."""
    line = client._line
    return Particulars(line.client_id, line.user, line.transport, line.encoding.codec.name, line.meta)


def _decoded(data: bytes) -> Any:
    return msgspec.json.decode(data) if data else None
