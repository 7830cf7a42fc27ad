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
from tidings.observability import health, metrics
from tidings.version import __version__


def clients(node: Node, settings: Settings) -> Iterator[BaseRoute]:
    """What clients are served."""
    terms = build.terms(settings)
    yield WebSocketRoute("/connection/websocket", WebSocketEndpoint(node, terms))
    if settings.diagnostics.echo:
        yield WebSocketRoute("/connection/echo", EchoEndpoint(terms))


def operators(
    node: Node, settings: Settings, counted: metrics.Metrics, *, api_key: Callable[[], str]
) -> Iterator[BaseRoute]:
    """What back ends and operators are served, perhaps on an address of their own. `api_key` returns the key."""
    yield from api.routes(
        node,
        key=api_key,
        insecure=settings.api.insecure,
        error_mode=settings.api.error_mode,
        rate=settings.limits.rate("api_requests"),
    )
    yield metrics.route(counted)


def everybody(node: Node) -> Iterator[BaseRoute]:
    """What load balancers ask, on every address."""
    yield from health.routes({"node": partial(_stays, node), "broker": partial(_reaches_broker, node)}, __version__)


async def _stays(node: Node) -> str | None:
    return "shutting down" if node.is_leaving else None


async def _reaches_broker(node: Node) -> str | None:
    try:
        await node.reach()
    except BrokerUnavailable as error:
        return error.message
    return None
