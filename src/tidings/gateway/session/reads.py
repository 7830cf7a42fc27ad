"""presence, presence_stats and history."""

from __future__ import annotations

from tidings.errors import BadRequest, NotAvailable, PermissionDenied
from tidings.gateway.session.naming import options_of
from tidings.gateway.session.permissions import may_read_history, may_read_presence
from tidings.gateway.session.state import State
from tidings.gateway.session.steps import CountPresence, ReadHistory, ReadPresence, Steps
from tidings.model import StreamPosition
from tidings.wire.centrifuge.codec import client_info, publication
from tidings.wire.centrifuge.messages import (
    HistoryRequest,
    HistoryResult,
    PresenceRequest,
    PresenceResult,
    PresenceStatsRequest,
    PresenceStatsResult,
)


def presence(state: State, request: PresenceRequest) -> Steps[PresenceResult]:
    _check_presence(state, request.channel)
    present = yield ReadPresence(request.channel)
    return PresenceResult({client: client_info(info, state.codec) for client, info in present.items()})


def presence_stats(state: State, request: PresenceStatsRequest) -> Steps[PresenceStatsResult]:
    _check_presence(state, request.channel)
    clients, users = yield CountPresence(request.channel)
    return PresenceStatsResult(clients, users)


def history(state: State, request: HistoryRequest) -> Steps[HistoryResult]:
    channel, rules = request.channel, state.policy.rules
    options = options_of(state, channel)
    if options.retention is None:
        raise NotAvailable
    if not may_read_history(state, channel, options, subscribed=state.is_subscribed(channel)):
        raise PermissionDenied
    since = StreamPosition(request.since.offset, request.since.epoch) if request.since else None
    if since is not None and request.reverse and not since.offset:
        raise BadRequest
    limit = rules.history_limit if request.limit < 0 else min(request.limit, rules.history_limit)
    page = yield ReadHistory(channel, since, limit, request.reverse)
    return HistoryResult(
        publications=[publication(kept, state.codec) for kept in page.publications],
        epoch=page.top.epoch,
        offset=page.top.offset,
    )


def _check_presence(state: State, channel: str) -> None:
    options = options_of(state, channel)
    if not options.presence:
        raise NotAvailable
    if not may_read_presence(state, channel, options, subscribed=state.is_subscribed(channel)):
        raise PermissionDenied
