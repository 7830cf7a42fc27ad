"""The two sides of an open connection: the transport that moves messages, and the peer that understands them.

A transport knows framing and nothing of the Centrifuge protocol; a peer knows the protocol and nothing of sockets.
Everything here is called in the event loop, does not wait and does not raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

Wrap = Callable[[bytes], bytes]


class TransportTerms(Struct, frozen=True):
    """What the server imposes on a connection, whatever the client would like.

    A message longer than `message_limit_bytes`, decompressed, ends the connection with code 1009. `compression` allows
    permessage-deflate to clients that offer it. `close_timeout` is how long a connection that was closed may take to
    drain and to say goodbye, in seconds; then it is cut.
    """

    message_limit_bytes: int = 65536
    compression: bool = False
    close_timeout: float = 5.0


class Transport(Protocol):
    """The way out to one client.

    `write` takes what `wrap` made of a message. Two transports with the same `wrap` take the same bytes, so a
    publication is wrapped once for all of them.
    """

    name: str
    """How this transport is called in logs and metrics: "websocket", "asgi"."""

    native_pings: bool
    """Whether the client asked for the transport's own pings, and `ping` sends them."""

    text: bool
    """Whether the message that `Peer.receive` is being told of came as text."""

    wrap: Wrap
    """Turns a message's payload into what `write` takes. The same object for all connections that may share bytes."""

    def write(self, data: bytes, /) -> None:
        """Send one wrapped message. After `close`, `abort` or `Peer.lost` this does nothing.

        A transport takes all that it is given. It calls `Peer.pause` when it would rather not have more; who goes on
        writing pays with memory.

        At the end of the connection this may become another function. Whoever keeps it has to stop calling it by then.
        """

    def send(self, payload: bytes, *, text: bool) -> None:
        """Send one message that is not wrapped, as text or as binary. After the end this does nothing."""

    def pause_reading(self) -> None:
        """Take no more messages for now: what the client sends waits in the kernel, until it cannot send any more.

        What has been read already may still come. Nothing else of the connection is noticed meanwhile, neither pongs
        nor its end, so whoever calls this calls `resume_reading` soon. Repeating it is harmless.
        """

    def resume_reading(self) -> None:
        """Read on. Closing does so as well. Without a pause, and after the end, this does nothing."""

    def ping(self) -> None:
        """Send a ping of the transport's own, answered by `Peer.pong`. Does nothing without `native_pings`."""

    def close(self, code: int, reason: str) -> None:
        """Say why and end the connection: what was written is sent first, for a bounded time. `Peer.lost` follows.

        `code` is one that a server may send (RFC 6455, section 7.4); of a long `reason` the beginning is sent.
        """

    def abort(self) -> None:
        """End the connection at once and forget what was not sent. `Peer.lost` follows."""


class Peer(Protocol):
    """What a transport reports to. Nothing is called before the transport is open, nor after `lost`."""

    def receive(self, payload: bytes) -> None:
        """One whole message arrived."""

    def pong(self) -> None:
        """The client answered a ping of the transport's own."""

    def pause(self) -> None:
        """The client reads more slowly than we write; hold what can be held."""

    def resume(self) -> None:
        """What was written has drained."""

    def lost(self, code: int, reason: str) -> None:
        """The connection is over, from either side: nothing can be received or sent any more. Called once.

        The code and reason are those of whoever closed first. 1005 when the client closed without a code, 1006 when
        nobody closed (RFC 6455, section 7.1.5).
        """

    def shutdown(self) -> None:
        """The server is stopping: end the connection soon, in the peer's own words."""


Join = Callable[[Transport], Peer]
"""Called once a connection is open; returns whom the transport reports to. It may close the transport, not write."""
