"""How a subscription comes to be, whoever asked for it: reserved, then opened at the hub, then live."""

from __future__ import annotations

from tidings import events
from tidings.channels.hub import Wish
from tidings.channels.options import ChannelOptions, RecoveryMode
from tidings.channels.recovery import Recovery
from tidings.channels.topic import Terms
from tidings.errors import UnrecoverablePosition
from tidings.gateway.grants import SubscriptionGrant
from tidings.gateway.session.permissions import may_read_history, may_read_presence
from tidings.gateway.session.state import State, Subscription
from tidings.model import StreamPosition
from tidings.wire.centrifuge.codec import publication
from tidings.wire.centrifuge.messages import SubscribeRequest, SubscribeResult

REJECT_UNRECOVERED = 2
"""The flag of a subscribe request that asks for error 112 instead of `recovered: false`."""


def reserve(
    state: State,
    channel: str,
    options: ChannelOptions,
    grant: SubscriptionGrant,
    request: SubscribeRequest,
    *,
    server_side: bool = False,
) -> Subscription:
    """Take the channel's place in the connection, so that a second subscription to it is refused from now on."""
    options = options.overridden(grant.override)
    subscription = Subscription(
        channel=channel,
        options=options,
        terms=_terms(state, channel, options, request),
        info=state.info(grant.info),
        server_side=server_side,
        data=grant.data,
        expire_at=grant.expire_at,
        renewable=grant.renewable,
        renewed_by_server=bool(grant.expire_at) and state.policy.handlers.handles_sub_refresh(channel),
    )
    state.subscriptions[channel] = subscription
    return subscription


def wish(subscription: Subscription) -> Wish:
    """What to ask the hub for."""
    return Wish(subscription.channel, subscription.options, subscription.terms, subscription.info)


def go_live(state: State, subscription: Subscription, recovery: Recovery) -> None:
    """The hub has opened the channel: from here on it has to be given up explicitly."""
    subscription.live = True
    state.reckon_expiry()
    recovered = recovery.recovered if subscription.terms.since is not None else None
    state.policy.hooks.announce(events.Subscribed(state.client, state.user, subscription.channel, recovered))


def refuse_unrecovered(state: State, subscription: Subscription, recovery: Recovery, flag: int) -> None:
    """Honour the client's wish for an error where nothing was recovered. Raises `UnrecoverablePosition`."""
    if flag & REJECT_UNRECOVERED and subscription.terms.since is not None and not recovery.recovered:
        state.remove(subscription.channel)
        raise UnrecoverablePosition


def result(state: State, subscription: Subscription, recovery: Recovery) -> SubscribeResult:
    """What the client is told."""
    codec, terms = state.codec, subscription.terms
    by_client = subscription.renewable and not (subscription.server_side or subscription.renewed_by_server)
    renews = by_client and bool(subscription.expire_at)
    return SubscribeResult(
        expires=renews,
        ttl=state.ttl(subscription.expire_at) if renews else 0,
        recoverable=terms.recoverable,
        positioned=terms.positioned,
        epoch=recovery.position.epoch,
        offset=recovery.position.offset,
        publications=[publication(missed, codec) for missed in recovery.publications],
        recovered=recovery.recovered,
        was_recovering=terms.since is not None,
        data=codec.embed(subscription.data),
    )


def _terms(state: State, channel: str, options: ChannelOptions, request: SubscribeRequest) -> Terms:
    """What of the request is granted: forced by the namespace, or asked for and permitted; the rest is ignored."""
    # The settings refuse a namespace that recovers and drops; tokens, handlers and the insecure mode ask only here.
    keeps = options.retention is not None and options.is_continuous
    reads = may_read_history(state, channel, options, subscribed=True)
    recoverable = keeps and (options.force_recovery or (request.recoverable and (options.allow_recovery or reads)))
    positioned = keeps and (options.force_positioning or (request.positioned and (options.allow_positioning or reads)))
    sees_presence = may_read_presence(state, channel, options, subscribed=True)
    join_leave = options.join_leave and (options.force_push_join_leave or (request.join_leave and sees_presence))
    return Terms(
        positioned=positioned or recoverable,
        recoverable=recoverable,
        join_leave=join_leave,
        since=_since(options, request) if recoverable else None,
        mode=options.force_recovery_mode,
    )


def _since(options: ChannelOptions, request: SubscribeRequest) -> StreamPosition | None:
    if request.recover:
        return StreamPosition(request.offset, request.epoch)
    if options.auto_cache_recover and options.force_recovery_mode is RecoveryMode.CACHE:
        return StreamPosition()
    return None
