"""What a namespace allows and keeps.

Names and defaults are the ones of the Centrifuge ecosystem, so that a configuration can be carried over.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cached_property

from msgspec import Struct
from msgspec.structs import asdict, replace

from tidings.brokers.base import Retention
from tidings.errors import SettingsError


class SlowPolicy(StrEnum):
    """What happens to a namespace's queued publications when a client reads too slowly for them."""

    DISCONNECT = "disconnect"
    """End the connection with 3008. The client comes back and recovers what it missed."""

    DROP_OLDEST = "drop_oldest"
    """Give up the oldest queued publications of the namespace until the new one fits."""

    LATEST = "latest"
    """Keep only the newest queued publication of each channel."""


class RecoveryMode(StrEnum):
    """What a returning client gets."""

    STREAM = "stream"
    """Everything it missed, in order."""

    CACHE = "cache"
    """The newest publication only."""


class DataFormat(StrEnum):
    """What the payload of a publication must be."""

    ANY = ""
    JSON = "json"
    JSON_OBJECT = "json_object"
    BINARY = "binary"


class Override(Struct, frozen=True):
    """Options that the authority behind a subscription (a token, the API, a handler) sets for it; None leaves them."""

    presence: bool | None = None
    join_leave: bool | None = None
    force_recovery: bool | None = None
    force_positioning: bool | None = None
    force_push_join_leave: bool | None = None


NO_OVERRIDE = Override()


class ChannelOptions(Struct, frozen=True, dict=True, forbid_unknown_fields=True):
    """The options of one namespace. Sizes are publications, times are seconds."""

    presence: bool = False
    join_leave: bool = False
    force_push_join_leave: bool = False

    history_size: int = 0
    history_ttl: float = 0.0
    history_meta_ttl: float = 720 * 3600.0

    force_positioning: bool = False
    allow_positioning: bool = False
    force_recovery: bool = False
    allow_recovery: bool = False
    force_recovery_mode: RecoveryMode = RecoveryMode.STREAM
    auto_cache_recover: bool = False

    allow_subscribe_for_client: bool = False
    allow_subscribe_for_anonymous: bool = False
    allow_publish_for_subscriber: bool = False
    allow_publish_for_client: bool = False
    allow_publish_for_anonymous: bool = False
    allow_history_for_subscriber: bool = False
    allow_history_for_client: bool = False
    allow_history_for_anonymous: bool = False
    allow_presence_for_subscriber: bool = False
    allow_presence_for_client: bool = False
    allow_presence_for_anonymous: bool = False
    allow_user_limited_channels: bool = False

    channel_regex: str = ""
    publication_data_format: DataFormat = DataFormat.ANY
    slow_policy: SlowPolicy = SlowPolicy.DISCONNECT

    # Known and checked, without effect until the parts that they steer exist.
    delta_publish: bool = False
    allowed_delta_types: tuple[str, ...] = ()
    allow_tags_filter: bool = False

    subscribe_proxy: bool = False
    publish_proxy: bool = False
    sub_refresh_proxy: bool = False
    state_proxy: bool = False

    @cached_property
    def retention(self) -> Retention | None:
        """What the broker keeps for these channels; None where there is no history."""
        if self.history_size <= 0 or self.history_ttl <= 0:
            return None
        return Retention(self.history_size, self.history_ttl, self.history_meta_ttl)

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """The compiled `channel_regex`, which must match the channel's name somewhere; None where any name will do."""
        return re.compile(self.channel_regex) if self.channel_regex else None

    @property
    def positions(self) -> bool:
        """Whether the options speak of positioning or recovery."""
        return self.force_positioning or self.allow_positioning or self.force_recovery or self.allow_recovery

    @property
    def reads_history(self) -> bool:
        """Whether clients may read the history; they may then also ask for recovery and positioning."""
        return self.allow_history_for_subscriber or self.allow_history_for_client or self.allow_history_for_anonymous

    @property
    def is_continuous(self) -> bool:
        """Whether a slow client misses nothing that recovery would promise it: the ground that positions stand on."""
        if self.force_recovery_mode is RecoveryMode.CACHE and self.slow_policy is SlowPolicy.LATEST:
            return True
        return self.slow_policy is SlowPolicy.DISCONNECT

    def overridden(self, override: Override) -> ChannelOptions:
        """These options with what one subscription's authority decided otherwise."""
        changes = {name: value for name, value in asdict(override).items() if value is not None}
        return replace(self, **changes) if changes else self

    def check(self, where: str) -> None:
        """Refuse options that contradict each other.

        `where` names the section of the settings for the message. Raises `SettingsError`.
        """
        if (self.history_size > 0) != (self.history_ttl > 0):
            raise SettingsError(f"{where}: history needs both history_size and history_ttl; set the other one too.")
        if self.positions and self.retention is None:
            raise SettingsError(f"{where}: recovery and positioning need a history; set history_size and history_ttl.")
        may_recover = self.positions or (self.reads_history and self.retention is not None)
        if may_recover and not self.is_continuous:
            raise SettingsError(
                f'{where}: slow_policy = "{self.slow_policy}" would leave holes that recovery promises not to have; '
                'use "disconnect".'
            )
        if self.history_meta_ttl < self.history_ttl:
            raise SettingsError(f"{where}: history_meta_ttl must not be shorter than history_ttl.")
        try:
            re.compile(self.channel_regex)
        except re.error as error:
            raise SettingsError(f"{where}: channel_regex is not a regular expression: {error}.") from error
