"""What a channel's name says.

    news             no namespace
    chat:lobby       namespace "chat"
    $deals           private: only with a subscription token
    dialog#42,43     user-limited: for users 42 and 43
    #42              personal: user 42's own

The namespace is the text before the first colon, after a leading `$`; a personal channel has none, whatever its user is
called. The users are the part after the last `#`.
"""

from __future__ import annotations

LENGTH_LIMIT = 255

NAMESPACE_BOUNDARY = ":"
USER_BOUNDARY = "#"
USER_SEPARATOR = ","
PRIVATE_PREFIX = "$"


def namespace(channel: str) -> str:
    """The namespace, or "" for a channel without one."""
    # Asked several times for every publication, so the usual cases come first and call nothing else.
    if NAMESPACE_BOUNDARY not in channel or channel[0] == USER_BOUNDARY:
        return ""
    return channel.partition(NAMESPACE_BOUNDARY)[0].removeprefix(PRIVATE_PREFIX)


def is_private(channel: str) -> bool:
    return channel.startswith(PRIVATE_PREFIX)


def is_user_limited(channel: str) -> bool:
    return USER_BOUNDARY in channel


def is_personal(channel: str) -> bool:
    return channel.startswith(USER_BOUNDARY)


def users(channel: str) -> list[str]:
    """The users that a user-limited channel is for; empty for any other channel."""
    _, boundary, names = channel.rpartition(USER_BOUNDARY)
    return names.split(USER_SEPARATOR) if boundary else []


def personal(user: str, within: str = "") -> str:
    """The personal channel of a user, in the namespace `within` or in none."""
    return f"{within}{NAMESPACE_BOUNDARY}{USER_BOUNDARY}{user}" if within else f"{USER_BOUNDARY}{user}"


def is_well_formed(channel: str) -> bool:
    """Whether the name is short enough and plain ASCII without control characters."""
    return 0 < len(channel) <= LENGTH_LIMIT and channel.isascii() and channel.isprintable()
