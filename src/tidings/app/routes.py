"""What is served where."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.routing import BaseRoute, WebSocketRoute

from tidings.app import build
from tidings.app.endpoint import EchoEndpoint, WebSocketEndpoint
from tidings.app.settings import Settings
from tidings.gateway.node import Node
from tidings.hooks import Hooks


def routes(node: Node, settings: Settings, hooks: Hooks) -> Iterator[BaseRoute]:
    terms = build.terms(settings)
    yield WebSocketRoute("/connection/websocket", WebSocketEndpoint(node, terms))
    if settings.diagnostics.echo:
        yield WebSocketRoute("/connection/echo", EchoEndpoint(terms))
