"""Renewals that the application decides about: asked when the time has come, beside whatever the client is doing.

    due ──ask──▶ renewing ──a later moment──▶ not due
                    ├──expired──▶ the connection ends with 3005, the subscription with 2501 (3006 on the server's side)
                    └──no answer──▶ lives on, and is asked about again after a pause

An application that cannot be asked for a minute does not lose its clients for it.
"""

from __future__ import annotations

from tidings import errors
from tidings.gateway.grants import Renewal
from tidings.gateway.session.state import Phase, State, Subscription
from tidings.gateway.session.steps import AskRenewal, Renew
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.messages import Disconnect, Unsubscribe

PAUSE = 60.0
"""Seconds until an application that did not answer is asked again."""

SHORTEST = 1.0
"""Seconds until the next question, whatever the answer to this one."""


def ask(state: State) -> None:
    """Ask about what is due."""
    if _is_due(state, state.now):
        state.renewing = True
        state.effects.append(AskRenewal(Renew()))
    if state.now < state.next_expiry:
        return
    for channel, subscription in state.subscriptions.items():
        if subscription.live and _is_due(subscription, state.now):
            subscription.renewing = True
            state.effects.append(AskRenewal(Renew(channel)))
    state.reckon_expiry()


def take(state: State, channel: str, answer: object) -> Disconnect | Unsubscribe | None:
    """Act upon an answer about a channel, or with "" about the connection; what has to end is returned."""
    renewed = state.subscriptions.get(channel) if channel else state
    if state.phase is Phase.CLOSED or renewed is None or not renewed.renewing:
        return None  # It has ended meanwhile.
    renewed.renewing = False
    if isinstance(answer, errors.Disconnect):
        return Disconnect(answer.code, answer.reason)
    if not isinstance(answer, Renewal):
        _put_off(renewed, state.now + PAUSE)
    elif answer.expired or 0 < answer.expire_at <= state.now:
        return _end_of(renewed)
    else:
        renewed.expire_at = answer.expire_at
        _put_off(renewed, state.now + SHORTEST)
        _inform(state, renewed, answer)
    state.reckon_expiry()
    return None


def _is_due(one: State | Subscription, now: float) -> bool:
    return one.renewed_by_server and not one.renewing and 0 < one.expire_at <= now


def _put_off(one: State | Subscription, until: float) -> None:
    """Let it live at least until then; a client that has brought a token meanwhile may have longer."""
    if one.expire_at:
        one.expire_at = max(one.expire_at, until)


def _end_of(one: State | Subscription) -> Disconnect | Unsubscribe:
    if isinstance(one, State):
        return codes.CONNECTION_EXPIRED
    return codes.SUBSCRIPTION_EXPIRED if one.server_side else codes.UNSUBSCRIBED_EXPIRED


def _inform(state: State, one: State | Subscription, answer: Renewal) -> None:
    """What others see, from the next publication on."""
    if isinstance(one, State):
        state.conn_info = state.conn_info if answer.info is None else answer.info
        state.meta = state.meta if answer.meta is None else answer.meta
    elif answer.info is not None:
        one.info = state.info(answer.info)
