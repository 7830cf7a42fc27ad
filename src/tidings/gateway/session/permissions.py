"""What a namespace lets a client do, when neither a token nor a handler has decided."""

from __future__ import annotations

from tidings.channels.options import ChannelOptions
from tidings.gateway.session.policy import Rules


def may_subscribe(options: ChannelOptions, rules: Rules, user: str) -> bool:
    known = bool(user) or options.allow_subscribe_for_anonymous
    return rules.insecure or (options.allow_subscribe_for_client and known)


def may_publish(options: ChannelOptions, rules: Rules, user: str, *, subscribed: bool) -> bool:
    known = bool(user) or options.allow_publish_for_anonymous
    here = options.allow_publish_for_client or (options.allow_publish_for_subscriber and subscribed)
    return rules.insecure or (here and known)


def may_read_history(options: ChannelOptions, rules: Rules, user: str, *, subscribed: bool) -> bool:
    known = bool(user) or options.allow_history_for_anonymous
    here = options.allow_history_for_client or (options.allow_history_for_subscriber and subscribed)
    return rules.insecure or (here and known)


def may_read_presence(options: ChannelOptions, rules: Rules, user: str, *, subscribed: bool) -> bool:
    known = bool(user) or options.allow_presence_for_anonymous
    here = options.allow_presence_for_client or (options.allow_presence_for_subscriber and subscribed)
    return rules.insecure or (here and known)
