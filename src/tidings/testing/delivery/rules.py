"""What a run may be held to: the options of its channels, who may listen where, and how long things may take."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

Allowed = Callable[[str, str], bool]
"""Whether a user may listen to a channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRules:
    """What is promised in a channel."""

    history: bool = False
    """It keeps a stream from which clients recover everything: what is acknowledged arrives, or a gap is told."""

    lossless: bool = False
    """Without history, and yet nothing may get lost while a client is connected: a run without broken connections."""

    may_repeat: bool = False
    """At least once, as in an inbox: a client may get a publication again."""

    allowed: Set[str] | Allowed | None = None
    """The users who may listen, or who decides about them; None for everybody."""

    def __post_init__(self) -> None:
        # A text would be taken for the set of all texts within it, of which "" is one.
        if isinstance(self.allowed, str | bytes):
            raise ValueError(
                f"allowed is a set of users, such as {{{self.allowed!r}}}, or a function of user and channel"
            )

    def allows(self, user: str, channel: str) -> bool:
        if self.allowed is None:
            return True
        return self.allowed(user, channel) if callable(self.allowed) else user in self.allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What `check` holds a run to. Times are seconds. Raises `ValueError` for what cannot be meant."""

    channels: Mapping[str, ChannelRules]
    """By the channel's name, or by a pattern such as `chat:*`. A name that is there exactly comes first, then the
    patterns in their order."""

    expected_faults: Sequence[str] = ()
    """Names of faults. Each has to have fired as often as it stands here."""

    lease: float = 30.0
    """How long the server may take to learn that somebody has come or gone, whatever became of its nodes."""

    settle: float = 0.0
    """What was acknowledged in the last seconds of the history is not yet missed. Better than to set this is to record
    until everything has arrived, or until a deadline."""

    slack: float = 1.0
    """How long after the server has done something a client may notice it, at most. What was acknowledged so shortly
    before the end of a subscription may have come too late for it."""

    _found: dict[str, ChannelRules | None] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("lease", "settle", "slack"):
            # Without an end it would excuse everything.
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is a time in seconds from 0 on, and not {getattr(self, name)}")
        for pattern, rules in self.channels.items():
            if not isinstance(rules, ChannelRules):
                raise ValueError(f"the rules of {pattern!r} are a ChannelRules(…), and not {rules!r}")
        if isinstance(self.expected_faults, str):
            raise ValueError(f"expected_faults are names, such as [{self.expected_faults!r}]")

    def find(self, channel: str) -> ChannelRules | None:
        """The rules of a channel, None for one that nothing was said about."""
        if channel not in self._found:
            patterns = (rules for pattern, rules in self.channels.items() if fnmatchcase(channel, pattern))
            self._found[channel] = self.channels.get(channel) or next(patterns, None)
        return self._found[channel]

    def of(self, channel: str) -> ChannelRules:
        """The rules of a channel. Raises `ValueError` for one that nothing was said about."""
        found = self.find(channel)
        if found is None:
            raise ValueError(
                f"the rules say nothing about the channel {channel!r}, in which something was published or delivered: "
                f"name it, or add the pattern '*' to {sorted(self.channels)}"
            )
        return found
