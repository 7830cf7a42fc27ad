"""refresh and sub_refresh: a client brings a new token before the old one has run out."""

from __future__ import annotations

from tidings.errors import BadRequest, Expired, NotAvailable, PermissionDenied, TokenExpired
from tidings.gateway.session import proof
from tidings.gateway.session.state import State
from tidings.gateway.session.steps import Ended, Steps
from tidings.gateway.tokens import InvalidToken
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.messages import RefreshRequest, RefreshResult, SubRefreshRequest, SubRefreshResult


def refresh(state: State, request: RefreshRequest) -> Steps[RefreshResult]:
    if not request.token:
        raise Ended(codes.BAD_REQUEST)
    try:
        grant = yield from proof.of_connection(state, request.token)
    except InvalidToken as error:
        raise Ended(codes.INVALID_TOKEN) from error
    except TokenExpired as error:
        raise Ended(codes.CONNECTION_EXPIRED) from error
    if grant.user != state.user:
        proof.refuse_holder(state, "connection")
        raise Ended(codes.INVALID_TOKEN)
    if grant.expire_at and grant.expire_at <= state.now:
        raise Ended(codes.CONNECTION_EXPIRED)
    if state.token_channels != grant.channels.keys():
        # The new token subscribes to other channels; the client gets them when it connects anew.
        raise Ended(codes.INSUFFICIENT_STATE)
    state.expire_at, state.renewable, state.conn_info = grant.expire_at, grant.renewable, grant.info
    return RefreshResult(
        client=state.client,
        version=state.policy.version,
        expires=bool(grant.expire_at),
        ttl=state.ttl(grant.expire_at) if grant.expire_at else 0,
    )


def sub_refresh(state: State, request: SubRefreshRequest) -> Steps[SubRefreshResult]:
    if not request.channel:
        raise Ended(codes.BAD_REQUEST)
    if request.type:
        raise NotAvailable  # tracking, which belongs to shared polls
    subscription = state.subscriptions.get(request.channel)
    if subscription is None or not subscription.live:
        raise PermissionDenied
    if not subscription.renewable or subscription.server_side or not subscription.expire_at:
        raise Ended(codes.BAD_REQUEST)
    if not request.token:
        raise BadRequest
    try:
        claims = yield from proof.of_subscription(state, request.token)
    except InvalidToken as error:
        raise Ended(codes.INVALID_TOKEN) from error
    except TokenExpired as error:
        # The stored expiry stays as it is, so the subscription ends when it was to end.
        raise Expired from error
    if state.subscriptions.get(request.channel) is not subscription:
        raise PermissionDenied  # It ended while keys were being asked for.
    if not proof.is_holder(state, claims, request.channel):
        raise Ended(codes.INVALID_TOKEN)
    if claims.grant.expire_at and claims.grant.expire_at <= state.now:
        raise Expired
    subscription.expire_at = claims.grant.expire_at
    state.reckon_expiry()
    return SubRefreshResult(
        expires=bool(subscription.expire_at),
        ttl=state.ttl(subscription.expire_at) if subscription.expire_at else 0,
    )
