"""What a session knows of its connection."""

from __future__ import annotations

import math
from enum import Enum, auto

from msgspec import Struct

from tidings import events
from tidings.channels.options import ChannelOptions
from tidings.channels.topic import Terms
from tidings.gateway.session.policy import Policy
from tidings.gateway.session.steps import Effect, Leave
from tidings.model import ClientInfo
from tidings.wire.centrifuge.codec import Codec
from tidings.wire.centrifuge.messages import Unsubscribe

NEVER = math.inf
TTL_LIMIT = 2**32 - 1

RENEWAL_LIMIT = 60.0
"""How long the application may take to say whether something that is due lives on, in seconds."""


class Phase(Enum):
    """How far a connection has come."""

    NEW = auto()
    """The transport is open and nobody has said who they are."""

    CONNECTING = auto()
    """The connect command is being looked at."""

    CONNECTED = auto()

    REFUSED = auto()
    """The connect command was answered with an error; nothing but closing is left to the client."""

    CLOSED = auto()


class Subscription(Struct):
    """One channel of one connection. `options` are the channel's, with what the subscription's authority overrode."""

    channel: str
    options: ChannelOptions
    terms: Terms
    info: ClientInfo
    server_side: bool
    data: bytes = b""
    expire_at: float = 0.0
    renewable: bool = False
    renewed_by_server: bool = False
    """Whether the application is asked when the time has come."""
    renewing: bool = False
    """While it is being asked."""
    live: bool = False
    """False while it is being opened."""
    ending: Unsubscribe | None = None
    """Set when it was ended while it was being opened."""

    def ends_at(self, grace: float) -> float:
        """When the subscription has to end unless it is renewed."""
        if not self.expire_at:
            return NEVER
        if self.renewed_by_server:
            return self.expire_at + (RENEWAL_LIMIT if self.renewing else 0.0)
        return self.expire_at + (grace if self.renewable else 0.0)


class State:
    """Shared by the commands of one session. `now` is the time of the current step."""

    __slots__ = (
        "client",
        "codec",
        "conn_info",
        "connected",
        "effects",
        "expire_at",
        "meta",
        "native_pings",
        "next_expiry",
        "now",
        "phase",
        "policy",
        "renewable",
        "renewed_by_server",
        "renewing",
        "subscriptions",
        "token_channels",
        "user",
    )

    def __init__(self, client: str, codec: Codec, policy: Policy, now: float, *, native_pings: bool) -> None:
        self.client = client
        self.codec = codec
        self.policy = policy
        self.now = now
        self.phase = Phase.NEW
        self.connected = False
        """Whether the connect command was ever accepted; true for good, whatever the phase."""
        self.user = ""
        self.conn_info = b""
        self.meta = b""
        """What belongs to the application, and is never shown to a client."""
        self.expire_at = 0.0
        self.renewable = False
        self.renewed_by_server = False
        """Whether the application is asked when the time has come, and the client is left in peace."""
        self.renewing = False
        self.native_pings = native_pings
        """Whether the transport's own pings are used in place of the protocol's."""
        self.token_channels: frozenset[str] = frozenset()
        """The channels that the connection's token subscribed to; a new token must name the same."""
        self.subscriptions: dict[str, Subscription] = {}
        self.next_expiry = NEVER
        """When the first subscription has to end."""
        self.effects: list[Effect] = []

    def info(self, chan_info: bytes = b"") -> ClientInfo:
        """This connection as others see it."""
        return ClientInfo(self.user, self.client, self.conn_info, chan_info)

    def is_subscribed(self, channel: str) -> bool:
        subscription = self.subscriptions.get(channel)
        return subscription is not None and subscription.live

    def remove(self, channel: str, code: int = 0) -> Subscription | None:
        """Take a subscription out, and give it up if it was live."""
        subscription = self.subscriptions.pop(channel, None)
        if subscription is not None and subscription.live:
            self.effects.append(Leave(channel, subscription.options, subscription.info, code))
            self.policy.hooks.announce(events.Unsubscribed(self.client, self.user, channel, code))
        self.reckon_expiry()
        return subscription

    def reckon_expiry(self) -> None:
        """Find out anew which subscription ends first."""
        grace = self.policy.rules.expiry_grace
        self.next_expiry = min((s.ends_at(grace) for s in self.subscriptions.values()), default=NEVER)

    @property
    def ends_at(self) -> float:
        """When the connection has to end unless it is renewed."""
        if not self.expire_at:
            return NEVER
        if self.renewed_by_server:
            return self.expire_at + (RENEWAL_LIMIT if self.renewing else 0.0)
        return self.expire_at + (self.policy.rules.expiry_grace if self.renewable else 0.0)

    def ttl(self, expire_at: float) -> int:
        """Whole seconds until then, for the client to act upon.

        At least one, since 0 would read as never; at most what the protocol's 32 bits hold.
        """
        return min(max(1, math.ceil(expire_at - self.now)), TTL_LIMIT)
