"""What an authority said: who a connection is, and what a subscription may be.

An authority is a token, a handler or an endpoint of the application, or the server API. Whoever it is, the session sees
these values.
"""

from __future__ import annotations

from msgspec import Struct

from tidings.brokers.base import NO_GUARD, Guard
from tidings.channels.options import NO_OVERRIDE, Override


class SubscriptionGrant(Struct, frozen=True):
    """A subscription that was allowed.

    `info` becomes the subscriber's `chan_info`, `data` is handed to the client with the reply; both are encoded.
    `expire_at` is Unix time in seconds, 0 for never. `renewable` says whether the client itself can bring a new
    expiry, because it subscribed with a token.
    """

    info: bytes = b""
    data: bytes = b""
    expire_at: float = 0.0
    override: Override = NO_OVERRIDE
    renewable: bool = False


class ConnectionGrant(Struct, frozen=True):
    """A connection that was allowed.

    `user` is "" for somebody anonymous. `info` becomes `conn_info`, `data` is handed to the client with the reply.
    `channels` are the server-side subscriptions with their grants. `meta` belongs to the application and never leaves
    the server.
    """

    user: str = ""
    info: bytes = b""
    data: bytes = b""
    expire_at: float = 0.0
    channels: dict[str, SubscriptionGrant] = {}
    meta: bytes = b""
    renewable: bool = False


class PublicationGrant(Struct, frozen=True):
    """A client's publication that was allowed: what exactly is published, and how."""

    data: bytes
    tags: dict[str, str] = {}
    guard: Guard = NO_GUARD
    skip_history: bool = False


class Renewal(Struct, frozen=True):
    """Whether a connection or a subscription that was due to end lives on, and until when.

    `expire_at` is Unix time in seconds, 0 for ever. What is None stays as it is; `meta` is of connections only.
    """

    expired: bool = False
    expire_at: float = 0.0
    info: bytes | None = None
    meta: bytes | None = None
