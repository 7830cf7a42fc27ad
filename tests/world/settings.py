"""The settings of the servers that foreign clients meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

SECRET = "a secret of thirty-two characters"
KEY = "a key for back ends"

KEPT = {
    "allow_subscribe_for_client": True,
    "allow_history_for_subscriber": True,
    "history_size": 1000,
    "history_ttl": 300.0,
}

NAMESPACES: Settings = {
    # Everybody may come in, and nothing else.
    "plain": {"allow_subscribe_for_client": True},
    # Only a token lets in, and whoever is in is there for a back end to see.
    "shut": {"presence": True},
    # A place to talk.
    "chat": {
        "allow_subscribe_for_client": True,
        "allow_publish_for_subscriber": True,
        "allow_presence_for_subscriber": True,
        "presence": True,
        "join_leave": True,
    },
    # Whoever asks for recovery gets what was missed, since all may read the history.
    "kept": KEPT,
    # Everybody recovers, and little is kept.
    "brief": KEPT | {"force_recovery": True, "history_size": 3},
}

SETTINGS: Settings = {
    "auth": {"hmac_secret": SECRET},
    "api": {"key": KEY},
    "channels": {"namespaces": NAMESPACES},
}
