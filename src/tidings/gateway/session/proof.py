"""What a token proves: to this session, now.

Where the token names a key that is not known yet, the keys are asked for once, and the client waits for that. Whatever
is refused is announced with its reason, of which the client sees no more than a code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tidings import events
from tidings.errors import KeysUnavailable, TokenExpired
from tidings.gateway.grants import ConnectionGrant
from tidings.gateway.session.state import State
from tidings.gateway.session.steps import Learn, Steps
from tidings.gateway.tokens import InvalidToken, KeyUnknown, Reason, SubscriptionClaims

CONNECTION, SUBSCRIPTION = "connection", "subscription"

T = TypeVar("T")


def of_connection(state: State, token: str) -> Steps[ConnectionGrant]:
    """Who the holder is. Raises `InvalidToken`, `TokenExpired` and `KeysUnavailable`."""
    return _verified(state, CONNECTION, lambda: state.policy.verifier.connection(token, state.now))


def of_subscription(state: State, token: str) -> Steps[SubscriptionClaims]:
    """What the holder may subscribe to. Raises `InvalidToken`, `TokenExpired` and `KeysUnavailable`."""
    return _verified(state, SUBSCRIPTION, lambda: state.policy.verifier.subscription(token, state.now))


def is_holder(state: State, claims: SubscriptionClaims, channel: str) -> bool:
    """Whether a subscription token is for this channel, and for who brings it."""
    if claims.channel == channel and claims.user == state.user and claims.client in ("", state.client):
        return True
    refuse_holder(state, SUBSCRIPTION)
    return False


def refuse_holder(state: State, kind: str) -> None:
    """Announce that a genuine token was brought by somebody else, or for something else."""
    _announce(state, kind, Reason.HOLDER)


def _verified(state: State, kind: str, verify: Callable[[], T]) -> Steps[T]:
    try:
        try:
            return verify()
        except KeyUnknown as unknown:
            source = unknown.source
        yield Learn(source)
        return verify()  # With the time of the answer: the token may have run out meanwhile.
    except InvalidToken as error:
        _announce(state, kind, error.reason, error.detail)
        raise
    except TokenExpired as error:
        _announce(state, kind, Reason.EXPIRED if error.message == TokenExpired.message else Reason.NOT_YET)
        raise
    except KeysUnavailable:
        _announce(state, kind, Reason.KEYS_AWAY)
        raise


def _announce(state: State, kind: str, reason: Reason, detail: str = "") -> None:
    state.policy.hooks.announce(events.TokenRefused(kind, reason.value, detail, state.client, state.user))
