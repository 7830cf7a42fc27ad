"""subscribe and unsubscribe, on the client's own wish."""

from __future__ import annotations

from tidings.channels import names
from tidings.channels.options import ChannelOptions
from tidings.errors import AlreadySubscribed, BadRequest, LimitExceeded, NotAvailable, PermissionDenied
from tidings.gateway.grants import SubscriptionGrant
from tidings.gateway.session import opening, proof
from tidings.gateway.session.naming import require_name, require_shape
from tidings.gateway.session.permissions import is_closed, may_subscribe
from tidings.gateway.session.state import State
from tidings.gateway.session.steps import Authorize, Ended, Open, Question, Steps
from tidings.gateway.tokens import InvalidToken
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.messages import (
    SubscribeRequest,
    SubscribeResult,
    UnsubscribeRequest,
    UnsubscribeResult,
)

DELTAS = ("", "fossil")


def subscribe(state: State, request: SubscribeRequest) -> Steps[SubscribeResult]:
    # The order of the checks is the protocol's: the first that fails decides the code.
    options = _check_channel(state, request)
    decision = _decide(state, options, request)
    # The place is taken before anybody is asked: what the server decides about the channel meanwhile is not lost.
    subscription = opening.reserve(state, request.channel, options, SubscriptionGrant(), request)
    try:
        if decision is None:
            decision = yield from _grant_of_token(state, request)
        elif isinstance(decision, Question):
            decision = yield decision
        _check_extensions(request)
        ending = subscription.ending
        subscription = opening.reserve(state, request.channel, options, decision, request)
        subscription.ending = ending
        (recovery,) = yield Open((opening.wish(subscription),))
    except Exception:
        state.remove(request.channel)
        raise
    opening.go_live(state, subscription, recovery)
    opening.refuse_unrecovered(state, subscription, recovery, request.flag)
    return opening.result(state, subscription, recovery)


def unsubscribe(state: State, request: UnsubscribeRequest) -> Steps[UnsubscribeResult]:
    if not request.channel:
        raise Ended(codes.BAD_REQUEST)
    state.remove(request.channel)
    return UnsubscribeResult()
    yield


def _check_channel(state: State, request: SubscribeRequest) -> ChannelOptions:
    channel, rules = request.channel, state.policy.rules
    require_name(channel)
    if channel in state.subscriptions:
        raise AlreadySubscribed
    if len(state.subscriptions) >= rules.channel_limit:
        raise LimitExceeded
    return require_shape(state, channel)


def _decide(state: State, options: ChannelOptions, request: SubscribeRequest) -> SubscriptionGrant | Question | None:
    """Who decides about the subscription, and how; None where its token does. Raises `PermissionDenied`."""
    channel, policy = request.channel, state.policy
    if request.token:
        return None
    if is_closed(state, channel, options):
        raise PermissionDenied
    if options.allow_user_limited_channels and names.is_user_limited(channel):
        return SubscriptionGrant()
    if policy.handlers.handles_subscribe(channel):
        return Authorize(channel, state.codec.extract(request.data))
    if not may_subscribe(state, options):
        raise PermissionDenied
    return SubscriptionGrant()


def _grant_of_token(state: State, request: SubscribeRequest) -> Steps[SubscriptionGrant]:
    """What the token grants. Raises `PermissionDenied`, `TokenExpired` and `KeysUnavailable`."""
    try:
        claims = yield from proof.of_subscription(state, request.token)
    except InvalidToken as error:
        raise PermissionDenied from error
    # A good token for somebody else, or for another channel, is no accident.
    if not proof.is_holder(state, claims, request.channel):
        raise Ended(codes.INVALID_TOKEN)
    return claims.grant


def _check_extensions(request: SubscribeRequest) -> None:
    """The optional parts of the protocol that this server does not have; delta is silently not accepted."""
    if request.delta not in DELTAS:
        raise Ended(codes.BAD_REQUEST)
    if request.tf is not None:
        raise BadRequest
    if request.type:
        raise NotAvailable
