"""publish: a client's own publication."""

from __future__ import annotations

from tidings.channels.formats import check_client_format
from tidings.errors import NotAvailable, PermissionDenied
from tidings.gateway.grants import PublicationGrant
from tidings.gateway.session.naming import options_of
from tidings.gateway.session.permissions import may_publish
from tidings.gateway.session.state import State
from tidings.gateway.session.steps import Publish, Review, Steps
from tidings.model import Publication
from tidings.wire.centrifuge.messages import PublishRequest, PublishResult


def publish(state: State, request: PublishRequest) -> Steps[PublishResult]:
    channel, policy = request.channel, state.policy
    options = options_of(state, channel)
    if request.type:
        raise NotAvailable
    grant = PublicationGrant(state.codec.extract(request.data))
    subscription = state.subscriptions.get(channel)
    if policy.handlers.handles_publish(channel):
        grant = yield Review(channel, grant.data)
    elif not may_publish(state, channel, options):
        raise PermissionDenied
    check_client_format(options, grant.data)
    info = state.info(subscription.info.chan_info if subscription else b"")
    yield Publish(channel, Publication(grant.data, info=info, tags=grant.tags), grant.guard, grant.skip_history)
    return PublishResult()
