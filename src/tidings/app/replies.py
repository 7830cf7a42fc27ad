"""What a handler may answer where yes or no is not enough. Values are plain Python; they are encoded here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tidings.channels.options import NO_OVERRIDE, Override
from tidings.gateway.grants import ConnectionGrant, SubscriptionGrant
from tidings.wire import payloads


class SubscribeReply(Struct, frozen=True, kw_only=True):
    """A subscription that is allowed, on these terms.

    `info` is shown to others beside the subscriber, `data` is handed to the client with the reply. At `expire_at`, in
    Unix seconds, the subscription ends; 0 is never. `override` changes options of the channel for this subscriber.
    """

    info: Any = None
    data: Any = None
    expire_at: float = 0.0
    override: Override = NO_OVERRIDE

    def grant(self) -> SubscriptionGrant:
        return SubscriptionGrant(_encoded(self.info), _encoded(self.data), self.expire_at, self.override)


class ConnectReply(Struct, frozen=True, kw_only=True):
    """A connection that is allowed, as this user.

    `info` is shown to others beside the connection, `data` is handed to the client with the reply, `meta` stays on the
    server as `Client.meta`. `channels` are subscribed to from the start. At `expire_at`, in Unix seconds, the
    connection ends; 0 is never.
    """

    user: str
    info: Any = None
    data: Any = None
    channels: Mapping[str, SubscribeReply] | list[str] = []
    expire_at: float = 0.0
    meta: Any = None

    def grant(self) -> ConnectionGrant:
        channels = self.channels
        replies = channels if isinstance(channels, Mapping) else dict.fromkeys(channels, SubscribeReply())
        return ConnectionGrant(
            user=self.user,
            info=_encoded(self.info),
            data=_encoded(self.data),
            expire_at=self.expire_at,
            channels={channel: reply.grant() for channel, reply in replies.items()},
            meta=_encoded(self.meta),
        )


def _encoded(value: Any) -> bytes:
    return b"" if value is None else payloads.encode(value)
