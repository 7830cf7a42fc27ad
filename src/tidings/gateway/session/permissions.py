"""What a client may do by itself, when neither a token nor a handler of the application has decided.

A channel's name comes first: what is private, personal or limited to users stays closed to everybody else, whatever its
namespace allows, and in the insecure mode too. Whoever is subscribed was let in, and is not asked about the name again.
"""

from __future__ import annotations

from tidings.channels import names
from tidings.channels.options import ChannelOptions
from tidings.gateway.session.state import State


def is_closed(state: State, channel: str, options: ChannelOptions) -> bool:
    """Whether the channel's name keeps this user out."""
    if names.is_private(channel):
        return True
    if state.policy.rules.personal_channel and names.is_personal(channel):
        return not state.user or channel != names.personal(state.user)
    if options.allow_user_limited_channels and names.is_user_limited(channel):
        return not state.user or state.user not in names.users(channel)
    return False


def may_subscribe(state: State, options: ChannelOptions) -> bool:
    """Of a channel whose name is open to the user."""
    known = bool(state.user) or options.allow_subscribe_for_anonymous
    return state.policy.rules.insecure or (options.allow_subscribe_for_client and known)


def may_publish(state: State, channel: str, options: ChannelOptions) -> bool:
    subscribed = state.is_subscribed(channel)
    here = options.allow_publish_for_client or (options.allow_publish_for_subscriber and subscribed)
    known = bool(state.user) or options.allow_publish_for_anonymous
    return _is_open(state, channel, options, subscribed) and (state.policy.rules.insecure or (here and known))


def may_read_history(state: State, channel: str, options: ChannelOptions, *, subscribed: bool) -> bool:
    here = options.allow_history_for_client or (options.allow_history_for_subscriber and subscribed)
    known = bool(state.user) or options.allow_history_for_anonymous
    return _is_open(state, channel, options, subscribed) and (state.policy.rules.insecure or (here and known))


def may_read_presence(state: State, channel: str, options: ChannelOptions, *, subscribed: bool) -> bool:
    here = options.allow_presence_for_client or (options.allow_presence_for_subscriber and subscribed)
    known = bool(state.user) or options.allow_presence_for_anonymous
    return _is_open(state, channel, options, subscribed) and (state.policy.rules.insecure or (here and known))


def _is_open(state: State, channel: str, options: ChannelOptions, subscribed: bool) -> bool:
    return subscribed or not is_closed(state, channel, options)
