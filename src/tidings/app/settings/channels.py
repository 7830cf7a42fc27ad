"""The section `[channels]`: the options of a namespace, as keys of the settings.

The options themselves, their defaults and what contradicts what stand in `tidings.channels.options`; here is only what
a file needs beyond them.
"""

from __future__ import annotations

from types import GenericAlias
from typing import Annotated, Any

from msgspec.structs import fields
from pydantic import Field, create_model

from tidings.app.settings.fields import Count, Seconds, Section, Words
from tidings.channels.options import ChannelOptions

DESCRIPTIONS = {
    "presence": "Keep who is subscribed.",
    "join_leave": "Announce who comes and goes.",
    "force_push_join_leave": "Send these announcements to every subscriber, asked for or not.",
    "history_size": "Publications kept in each channel; 0 keeps none.",
    "history_ttl": "For how long they are kept.",
    "history_meta_ttl": "For how long a channel's position outlives its last use.",
    "force_positioning": "Watch every subscriber's position for gaps.",
    "allow_positioning": "Let clients ask for that.",
    "force_recovery": "Hand every returning client what it missed.",
    "allow_recovery": "Let clients ask for that.",
    "force_recovery_mode": "stream: all that was missed. cache: only the newest.",
    "auto_cache_recover": "In cache mode, begin every subscription with the newest publication.",
    "allow_subscribe_for_client": "Let every user subscribe without a token.",
    "allow_subscribe_for_anonymous": "Let clients without a user do so, too.",
    "allow_publish_for_subscriber": "Let users publish where they are subscribed.",
    "allow_publish_for_client": "Let users publish everywhere.",
    "allow_publish_for_anonymous": "Let clients without a user publish where users may.",
    "allow_history_for_subscriber": "Let users read the history where they are subscribed.",
    "allow_history_for_client": "Let users read every history.",
    "allow_history_for_anonymous": "Let clients without a user read the history where users may.",
    "allow_presence_for_subscriber": "Let users see who is present where they are subscribed.",
    "allow_presence_for_client": "Let users see who is present everywhere.",
    "allow_presence_for_anonymous": "Let clients without a user see who is present where users may.",
    "allow_user_limited_channels": "Let the users named behind # subscribe: dialog#42,43.",
    "channel_regex": "What the names of channels must match.",
    "publication_data_format": "What payloads must be: json, json_object or binary; empty for anything.",
    "slow_policy": "For clients that read too slowly: disconnect, drop_oldest or latest.",
    "delta_publish": "Send differences to subscribers that take them. Not in this version.",
    "allowed_delta_types": "Which kinds of differences clients may ask for. Not in this version.",
    "allow_tags_filter": "Let clients filter by tags. Not in this version.",
    "subscribe_proxy": "Ask [proxy.subscribe] about subscriptions.",
    "publish_proxy": "Ask [proxy.publish] about publications.",
    "sub_refresh_proxy": "Ask [proxy.sub_refresh] about renewals.",
    "state_proxy": "Tell [proxy.state] when the first subscriber comes and the last goes.",
}

_TYPES: dict[Any, Any] = {int: Count, float: Seconds, tuple[str, ...]: Words}


def _keys() -> dict[str, Any]:
    return {
        option.name: (
            Annotated[_TYPES.get(option.type, option.type), Field(description=DESCRIPTIONS.get(option.name))],
            option.default,
        )
        for option in fields(ChannelOptions)
    }


Namespace: type[Section] = create_model("Namespace", __base__=Section, __doc__="Channels called chat:…", **_keys())
# Spelt so because `Namespace` is made at run time, and a type checker would not have it in an annotation.
_NAMESPACES: dict[str, Any] = {"namespaces": (GenericAlias(dict, (str, Namespace)), {})}
Channels: type[Section] = create_model(
    "Channels", __base__=Namespace, __doc__="Channels without a namespace.", **_NAMESPACES
)


def options(section: Section) -> tuple[ChannelOptions, dict[str, ChannelOptions]]:
    """The section as values: the options without a namespace, and those of each namespace."""
    values = section.model_dump()
    namespaces = values.pop("namespaces")
    return ChannelOptions(**values), {name: ChannelOptions(**own) for name, own in namespaces.items()}
