"""Decisions that endpoints of the application take, as the `Application` of a node.

What an endpoint refuses is the client's error, or its end, as the endpoint says, in words or with a status that the
settings give a meaning. An endpoint that gives no usable answer is the client's error 100, which is temporary; a
connect ends with 3004 then, and the client comes back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from tidings.channels import names
from tidings.channels.formats import check_client_format
from tidings.channels.namespaces import Namespaces
from tidings.channels.options import ChannelOptions
from tidings.clock import Clock
from tidings.errors import BadRequest, Disconnect, InternalError, TidingsError
from tidings.gateway.application import NoApplication
from tidings.gateway.client import Client, particulars
from tidings.gateway.grants import ConnectionGrant, PublicationGrant, Renewal, SubscriptionGrant
from tidings.gateway.webhooks import answers, headers, requests
from tidings.gateway.webhooks.endpoint import Endpoint, require_success
from tidings.gateway.webhooks.line import Response
from tidings.gateway.webhooks.notices import Notices
from tidings.gateway.webhooks.terms import BadAnswer, CallFailed, Event, Terms
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.messages import ConnectRequest

T = TypeVar("T")

LATER = 60.0
"""Seconds for which a connection or subscription lives on when its endpoint gives no answer; half of them at least, so
that those which became due together are not asked about together again."""


class Proxies(NoApplication):
    """Asks the endpoints that there are, and lets `notices` hear of ends.

    A connection that brings a token is known by it, and no endpoint is asked. `namespaces` say for which channels
    endpoints decide.
    """

    def __init__(
        self, endpoints: Mapping[Event, Endpoint], namespaces: Namespaces, clock: Clock, notices: Notices
    ) -> None:
        self._endpoints = endpoints
        self._namespaces = namespaces
        self._clock = clock
        self._notices = notices
        terms = [*(endpoint.terms for endpoint in endpoints.values()), *notices.terms]
        self._asks_later = any(one.http_headers for one in terms if one.event is not Event.CONNECT)
        """Whether a client's request is looked at again after it has connected."""
        self._emulated = frozenset(name for one in terms if one.emulated_headers for name in one.http_headers)
        self._written: WeakKeyDictionary[Client, dict[str, str]] = WeakKeyDictionary()
        """What clients wrote into their connect commands, of those that wrote something that is listed."""

    async def close(self) -> None:
        """Let go of all connections to endpoints."""
        for endpoint in self._endpoints.values():
            await endpoint.close()

    # Which decisions are theirs.

    def handles_connect(self) -> bool:
        # With headers in the command to be kept, the command has to be seen.
        return Event.CONNECT in self._endpoints or bool(self._emulated)

    def handles_subscribe(self, channel: str) -> bool:
        return Event.SUBSCRIBE in self._endpoints and self._options(channel).subscribe_proxy

    def handles_publish(self, channel: str) -> bool:
        return Event.PUBLISH in self._endpoints and self._options(channel).publish_proxy

    def handles_rpc(self) -> bool:
        return Event.RPC in self._endpoints

    def handles_refresh(self) -> bool:
        return Event.REFRESH in self._endpoints

    def handles_sub_refresh(self, channel: str) -> bool:
        return Event.SUB_REFRESH in self._endpoints and self._options(channel).sub_refresh_proxy

    def hears_ends(self) -> bool:
        return any(self._notices.about(event) for event in (Event.DISCONNECT, Event.UNSUBSCRIBE))

    def sees_clients(self) -> bool:
        return self._asks_later

    # The decisions.

    def note(self, client: Client, request: ConnectRequest) -> None:
        """Keep what the connect command says in place of headers."""
        if self._emulated and request.headers and (kept := headers.emulated(self._emulated, request.headers)):
            self._written[client] = kept

    async def connect(
        self, client: Client, request: ConnectRequest, grant: ConnectionGrant | None
    ) -> ConnectionGrant | None:
        self.note(client, request)
        if request.token or (endpoint := self._endpoints.get(Event.CONNECT)) is None:
            return grant
        body = requests.connect(particulars(client), request, bytes(request.data), binary=endpoint.terms.binary)
        try:
            return await self._ask(endpoint, client, body, self._connection)
        except CallFailed as failed:
            raise Disconnect(codes.INTERNAL_ERROR.code, codes.INTERNAL_ERROR.reason) from failed

    async def subscribe(self, client: Client, channel: str, data: bytes) -> SubscriptionGrant:
        endpoint = self._endpoints[Event.SUBSCRIBE]
        body = requests.with_data(particulars(client), channel, data, binary=endpoint.terms.binary)
        return await self._decide(endpoint, client, body, answers.subscribe)

    async def publish(self, client: Client, channel: str, data: bytes) -> PublicationGrant:
        endpoint, options = self._endpoints[Event.PUBLISH], self._options(channel)
        body = requests.with_data(particulars(client), channel, data, binary=endpoint.terms.binary)
        grant = await self._decide(endpoint, client, body, partial(_publication, options))
        return grant if grant.data else replace(grant, data=data)

    async def call(self, client: Client, method: str, data: bytes) -> bytes:
        endpoint = self._endpoints[Event.RPC]
        body = requests.rpc(particulars(client), method, data, binary=endpoint.terms.binary)
        return await self._decide(endpoint, client, body, answers.rpc)

    async def refresh(self, client: Client) -> Renewal:
        endpoint = self._endpoints[Event.REFRESH]
        return await self._renew(endpoint, client, requests.refresh(particulars(client), binary=endpoint.terms.binary))

    async def sub_refresh(self, client: Client, channel: str) -> Renewal:
        endpoint = self._endpoints[Event.SUB_REFRESH]
        body = requests.with_channel(particulars(client), channel, binary=endpoint.terms.binary)
        return await self._renew(endpoint, client, body)

    # Notices.

    async def unsubscribed(self, client: Client, channel: str, code: int) -> None:
        if (terms := self._notices.about(Event.UNSUBSCRIBE)) is not None:
            number, now = self._notices.number(), self._clock.now()
            body = requests.unsubscribed(particulars(client), channel, code, number=number, now=now)
            self._notices.add(Event.UNSUBSCRIBE, client.id, body, self._passed(terms, client))

    async def disconnected(self, client: Client, code: int, reason: str) -> None:
        if (terms := self._notices.about(Event.DISCONNECT)) is not None:
            number, now = self._notices.number(), self._clock.now()
            body = requests.disconnected(particulars(client), code, reason, number=number, now=now)
            self._notices.add(Event.DISCONNECT, client.id, body, self._passed(terms, client))

    # Private steps.

    async def _renew(self, endpoint: Endpoint, client: Client, body: bytes) -> Renewal:
        """An endpoint that cannot be asked, or has only an error to say, is asked again later."""
        try:
            return await self._ask(endpoint, client, body, answers.refresh)
        except (CallFailed, TidingsError):
            later = LATER * (1 + random.random()) / 2  # noqa: S311, nothing secret
            return Renewal(expire_at=self._clock.now() + later)

    async def _decide(self, endpoint: Endpoint, client: Client, body: bytes, read: Callable[[bytes], T]) -> T:
        try:
            return await self._ask(endpoint, client, body, read)
        except CallFailed as failed:
            raise InternalError from failed

    async def _ask(self, endpoint: Endpoint, client: Client, body: bytes, read: Callable[[bytes], T]) -> T:
        def read_response(response: Response) -> T:
            if (meant := endpoint.terms.meanings.get(response.status)) is not None:
                raise meant.exception()
            require_success(response, exactly=200)
            if response.fault:
                raise BadAnswer(response.fault)
            return read(response.body)

        passed = self._passed(endpoint.terms, client)
        return await endpoint.ask(body, passed, read_response, client=client.id)

    def _passed(self, terms: Terms, client: Client) -> dict[str, bytes]:
        if not terms.http_headers:
            return {}
        handshake = client.request
        written = self._written.get(client, {}) if terms.emulated_headers else {}
        return headers.passed_on(terms.http_headers, handshake.headers, written, handshake.address)

    def _connection(self, body: bytes) -> ConnectionGrant:
        grant = answers.connect(body)
        for channel in grant.channels:
            if not self._namespaces.knows(names.namespace(channel)):
                raise BadAnswer("subscribes to a channel of a namespace that the settings do not know")
        return grant

    def _options(self, channel: str) -> ChannelOptions:
        return self._namespaces.options(channel)


def _publication(options: ChannelOptions, body: bytes) -> PublicationGrant:
    grant = answers.publish(body)
    if grant.data:
        try:
            check_client_format(options, grant.data)
        except BadRequest as error:
            raise BadAnswer(f"has a publication of its own whose {error.message}") from None
    return grant
