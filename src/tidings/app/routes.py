"""What is served where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from starlette.routing import BaseRoute, WebSocketRoute

from tidings.app import api, build
from tidings.app.endpoint import EchoEndpoint, WebSocketEndpoint
from tidings.app.settings import Settings
from tidings.errors import BrokerUnavailable
from tidings.gateway.node import Node
from tidings.hooks import Hooks
from tidings.observability import health, metrics
from tidings.version import __version__


def routes(
    node: Node, settings: Settings, hooks: Hooks, counted: metrics.Metrics, *, api_key: Callable[[], str]
) -> Iterator[BaseRoute]:
    """`api_key` returns the key of the HTTP API, which may change."""
    terms = build.terms(settings)
    yield WebSocketRoute("/connection/websocket", WebSocketEndpoint(node, terms))
    if settings.diagnostics.echo:
        yield WebSocketRoute("/connection/echo", EchoEndpoint(terms))
    yield from api.routes(
        node,
        key=api_key,
        insecure=settings.api.insecure,
        error_mode=settings.api.error_mode,
        rate=settings.limits.rate("api_requests"),
    )
    yield metrics.route(counted)
    yield from health.routes({"node": partial(_stays, node), "broker": partial(_reaches_broker, node)}, __version__)


async def _stays(node: Node) -> str | None:
    return "shutting down" if node.is_leaving else None


async def _reaches_broker(node: Node) -> str | None:
    try:
        await node.reach()
    except BrokerUnavailable as error:
        return error.message
    return None
