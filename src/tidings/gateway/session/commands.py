"""Which commands there are: what each is called, and what carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidings.gateway.session.calls import rpc, send
from tidings.gateway.session.connect import connect
from tidings.gateway.session.publish import publish
from tidings.gateway.session.reads import history, presence, presence_stats
from tidings.gateway.session.refresh import refresh, sub_refresh
from tidings.gateway.session.state import State
from tidings.gateway.session.steps import Steps
from tidings.gateway.session.subscribe import subscribe, unsubscribe
from tidings.wire.centrifuge import messages

COMMANDS: Mapping[type, tuple[str, Callable[[State, Any], Steps[Any]]]] = {
    messages.ConnectRequest: ("connect", connect),
    messages.SubscribeRequest: ("subscribe", subscribe),
    messages.UnsubscribeRequest: ("unsubscribe", unsubscribe),
    messages.PublishRequest: ("publish", publish),
    messages.PresenceRequest: ("presence", presence),
    messages.PresenceStatsRequest: ("presence_stats", presence_stats),
    messages.HistoryRequest: ("history", history),
    messages.SendRequest: ("send", send),
    messages.RPCRequest: ("rpc", rpc),
    messages.RefreshRequest: ("refresh", refresh),
    messages.SubRefreshRequest: ("sub_refresh", sub_refresh),
}
