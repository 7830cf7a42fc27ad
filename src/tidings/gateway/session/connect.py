"""connect: who is there, and what they are subscribed to from the start."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tidings.channels import names
from tidings.errors import LimitExceeded
from tidings.gateway.grants import ConnectionGrant, SubscriptionGrant
from tidings.gateway.session import opening, proof
from tidings.gateway.session.state import Phase, State, Subscription
from tidings.gateway.session.steps import Authenticate, Ended, Enter, Open, Steps
from tidings.gateway.tokens import InvalidToken
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.messages import ConnectRequest, ConnectResult, SubscribeRequest

NOT_ASKED = SubscribeRequest()


def connect(state: State, request: ConnectRequest) -> Steps[ConnectResult]:
    if state.phase is not Phase.NEW:
        raise Ended(codes.BAD_REQUEST)
    state.phase = Phase.CONNECTING
    grant = yield from _grant(state, request)
    state.token_channels = frozenset(grant.channels if grant else ())
    if grant is not None:
        state.user = grant.user  # so that the application can ask who the token says it is
    if state.policy.handlers.handles_connect():
        grant = yield Authenticate(request, grant)
    if grant is None:
        raise Ended(codes.BAD_REQUEST)
    state.user, state.conn_info, state.meta = grant.user, grant.info, grant.meta
    state.expire_at, state.renewable = grant.expire_at, grant.renewable
    state.renewed_by_server = bool(grant.expire_at) and state.policy.handlers.handles_refresh()
    try:
        kept = yield Enter(grant.user)
    except LimitExceeded as error:
        raise Ended(codes.CONNECTION_LIMIT) from error
    subscriptions = _reserve_all(state, grant, kept or {}, request)
    opened = (yield Open(tuple(map(opening.wish, subscriptions)))) if subscriptions else []
    for subscription, recovery in zip(subscriptions, opened, strict=True):
        opening.go_live(state, subscription, recovery)
    rules = state.policy.rules
    renews = state.renewable and bool(state.expire_at) and not state.renewed_by_server
    return ConnectResult(
        client=state.client,
        version=state.policy.version,
        expires=renews,
        ttl=state.ttl(state.expire_at) if renews else 0,
        data=state.codec.embed(grant.data),
        subs={
            subscription.channel: opening.result(state, subscription, recovery)
            for subscription, recovery in zip(subscriptions, opened, strict=True)
        },
        # Whole seconds, rounded up: 0 would say that there are no pings.
        ping=0 if state.native_pings else math.ceil(rules.ping_interval),
        pong=bool(rules.ping_interval) and not state.native_pings,
        time=int(state.now * 1000),
    )


def _grant(state: State, request: ConnectRequest) -> Steps[ConnectionGrant | None]:
    """What the token says, or what is granted without one. Raises `TokenExpired` and `KeysUnavailable`."""
    rules = state.policy.rules
    if request.token:
        try:
            return (yield from proof.of_connection(state, request.token))
        except InvalidToken as error:
            raise Ended(codes.INVALID_TOKEN) from error
    if rules.anonymous or rules.insecure:
        return ConnectionGrant()
    return None


def _reserve_all(
    state: State, grant: ConnectionGrant, kept: Mapping[str, SubscriptionGrant], request: ConnectRequest
) -> list[Subscription]:
    """The server-side subscriptions: those of the grant, the user's personal channel, and those that the user keeps.

    A user whose id no channel can be named after has no personal channel, and connects all the same. So does one who
    keeps more than a connection may have, or a channel that the settings do not know any more.
    """
    rules, namespaces = state.policy.rules, state.policy.namespaces
    channels = dict(grant.channels)
    personal = names.personal(state.user)
    if rules.personal_channel and state.user and names.is_well_formed(personal):
        channels.setdefault(personal, SubscriptionGrant())
    if len(channels) > rules.channel_limit:
        raise Ended(codes.CHANNEL_LIMIT)
    for channel, kept_grant in kept.items():
        is_over = 0 < kept_grant.expire_at <= state.now
        if len(channels) < rules.channel_limit and namespaces.knows(names.namespace(channel)) and not is_over:
            channels.setdefault(channel, kept_grant)
    return [
        opening.reserve(
            state,
            channel,
            namespaces.options(channel),
            channel_grant,
            request.subs.get(channel, NOT_ASKED),
            server_side=True,
        )
        for channel, channel_grant in channels.items()
    ]
