"""What everything is called in Redis. `docs/redis.md` lists the names with what they hold and for how long.

All names begin with the prefix. In a cluster the part that decides about the slot stands in braces, so that all keys of
a channel, its pub/sub channel among them, live on one server; the dot in there keeps a name that begins with a brace
from being an empty tag, which would count for nothing. Pub/sub does not know databases, so its names hold the number.
"""

from __future__ import annotations

from binascii import crc_hqx
from hashlib import blake2b

from tidings.errors import SettingsError

SLOTS = 16384


class Keys:
    """Names for one prefix and database. Raises `SettingsError` for a prefix that would move every key's slot."""

    def __init__(self, prefix: str, *, database: int = 0, clustered: bool = False) -> None:
        if "{" in prefix or "}" in prefix:
            raise SettingsError(f'[broker] prefix = "{prefix}" must not contain braces, which Redis gives a meaning.')
        self._prefix = prefix
        self._clustered = clustered
        self._bus = f"{prefix}:bus:{database}:"
        self._control = f"{prefix}:control:{database}:"

    # Channels.

    def meta(self, channel: str) -> str:
        """Where the stream is: a hash."""
        return self._of("meta", channel)

    def stream(self, channel: str) -> str:
        """What it retains: a stream, whose ids are the offsets."""
        return self._of("stream", channel)

    def once(self, channel: str, idempotency_key: str) -> str:
        """The result of a publication with this key. Of fixed length after the channel, so no two can be alike."""
        digest = blake2b(idempotency_key.encode(), digest_size=16).hexdigest()
        return f"{self._of('once', channel)}:{digest}"

    def leases(self, channel: str) -> str:
        """Who is present until when: a sorted set."""
        return self._of("leases", channel)

    def present(self, channel: str) -> str:
        """What is shown of them: a hash."""
        return self._of("present", channel)

    def bus(self, channel: str) -> str:
        """The pub/sub channel that carries it."""
        return self._tagged(self._bus, channel)

    def channel(self, name: str) -> str | None:
        """The channel that a pub/sub channel carries; None for one that carries something else."""
        if not name.startswith(self._bus):
            return None
        channel = name[len(self._bus) :]
        return channel[2:-1] if self._clustered else channel

    # Users and nodes.

    def user(self, user: str) -> str:
        """The connections of a user until when: a sorted set."""
        return self._of("user", user)

    def kept(self, user: str) -> str:
        """The subscriptions that outlive a user's connections: a hash."""
        return self._of("kept", user)

    def connections(self, node: str) -> str:
        """What a node's connections are, by client: a hash."""
        return self._of("connections", node)

    def control(self, node: str = "") -> str:
        """The pub/sub channel in which nodes hear from each other: all of them, or a single one."""
        return self._tagged(self._control, f"node:{node}" if node else "all")

    def node_leases(self) -> str:
        """Which nodes are alive until when: a sorted set."""
        return self._of("nodes", "all")

    def node_cards(self) -> str:
        """What each says of itself: a hash."""
        return self._of("cards", "all")

    # Private steps.

    def _of(self, kind: str, name: str) -> str:
        return self._tagged(f"{self._prefix}:{kind}:", name)

    def _tagged(self, beginning: str, name: str) -> str:
        return f"{beginning}{{.{name}}}" if self._clustered else f"{beginning}{name}"


def slot(key: str) -> int:
    """The slot of a key in a cluster: CRC16 of the first tag that is not empty, else of all (cluster specification)."""
    name = key.encode()
    start = name.find(b"{")
    if start >= 0:
        end = name.find(b"}", start + 1)
        if end > start + 1:
            name = name[start + 1 : end]
    return crc_hqx(name, 0) % SLOTS
