"""What the settings ask of the broker, and whether it can do it.

Decided by the doors that the broker has (`tidings.brokers.base`) and not by its address, so anybody's own broker is
treated alike. What it cannot do is said when the node is built, and not by the first client that needs it.
"""

from __future__ import annotations

from msgspec import Struct

from tidings.app.settings import Settings
from tidings.app.settings.complaints import heading
from tidings.brokers.base import Broker, KeepsConnections, KeepsHistory, KeepsPresence
from tidings.channels.options import ChannelOptions
from tidings.errors import SettingsError


class Need(Struct, frozen=True):
    """An option, and what a broker must do for it to be more than its zero value."""

    option: str
    door: type
    deed: str


CHANNEL_NEEDS = (
    Need("history_size", KeepsHistory, "keeps history"),
    Need("presence", KeepsPresence, "keeps presence"),
)
CLIENT_NEEDS = (Need("user_connection_limit", KeepsConnections, "counts the connections of users"),)


def check(settings: Settings, broker: Broker) -> None:
    """Raises `SettingsError` for the first thing that the settings ask in vain."""
    who = broker_name(settings)
    check_channels(settings.channels, broker, heading(("channels",)), who)
    for name, options in settings.namespaces.items():
        check_namespace(name, options, broker, who)
    for need in CLIENT_NEEDS:
        _check(need, getattr(settings.client, need.option), broker, "[client]", who)


def check_namespace(name: str, options: ChannelOptions, broker: Broker, who: str) -> None:
    """The same for one namespace. `who` is what the broker is called."""
    check_channels(options, broker, heading(("channels", "namespaces", name) if name else ("channels",)), who)


def check_channels(options: ChannelOptions, broker: Broker, where: str, who: str) -> None:
    for need in CHANNEL_NEEDS:
        _check(need, getattr(options, need.option), broker, where, who)


def broker_name(settings: Settings) -> str:
    """What people know the broker by: "nats://", without anything secret."""
    scheme, separator, _ = settings.broker.url.partition("://")
    return scheme + separator


def _check(need: Need, value: object, broker: Broker, where: str, who: str) -> None:
    if value and not isinstance(broker, need.door):
        raise SettingsError(f"{where} {need.option} needs a broker that {need.deed}, which {who} does not.")
