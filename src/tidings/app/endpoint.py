"""The WebSocket endpoints, as ASGI applications."""

from __future__ import annotations

from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from tidings import events
from tidings.gateway.node import Node, Refusal
from tidings.gateway.transports.base import TransportTerms
from tidings.gateway.transports.echo import MESSAGE_LIMIT_BYTES, Echo
from tidings.gateway.transports.handshake import Handshake, negotiate
from tidings.gateway.transports.upgrade import refuse, upgrade


class WebSocketEndpoint:
    """/connection/websocket: a client of the Centrifuge protocol."""

    def __init__(self, node: Node, terms: TransportTerms) -> None:
        self._node = node
        self._terms = terms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handshake = Handshake.of(scope)
        if (refusal := self._node.refuse(handshake)) is not None:
            self._announce(refusal, handshake)
            await refuse(
                scope, receive, send, status=refusal.status, text=refusal.text, retry_after=refusal.retry_after
            )
            return
        agreement = negotiate(handshake)
        await upgrade(
            scope,
            receive,
            send,
            agreement=agreement,
            terms=self._terms,
            join=lambda transport: self._node.join(transport, agreement.codec, handshake),
        )

    def _announce(self, refusal: Refusal, handshake: Handshake) -> None:
        refused = events.ConnectionRefused(refusal.status, refusal.text, handshake.origin or "", handshake.address)
        self._node.policy.hooks.announce(refused)


class EchoEndpoint:
    """/connection/echo: whoever wants to judge the transport."""

    def __init__(self, terms: TransportTerms) -> None:
        self._terms = replace(terms, message_limit_bytes=MESSAGE_LIMIT_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        agreement = negotiate(Handshake.of(scope))
        await upgrade(scope, receive, send, agreement=agreement, terms=self._terms, join=Echo)
