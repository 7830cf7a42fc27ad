"""What an application may decide about its clients, as a port.

The session asks first whether a decision is the application's (`Handlers`), then for the decision itself. A handler
answers, or raises a `TidingsError` to refuse, or `Disconnect` to end the connection. Whatever else it raises is our
client's error 100 and our log's traceback.
"""

from __future__ import annotations

from typing import Protocol

from tidings.errors import MethodNotFound
from tidings.gateway.client import Client
from tidings.gateway.grants import ConnectionGrant, PublicationGrant, Renewal, SubscriptionGrant
from tidings.gateway.session.policy import Handlers
from tidings.wire.centrifuge.messages import ConnectRequest


class Application(Handlers, Protocol):
    """Called in a task of its own per connection, one call at a time. Cancelled only when the server stops."""

    async def connect(
        self, client: Client, request: ConnectRequest, grant: ConnectionGrant | None
    ) -> ConnectionGrant | None:
        """Decide who this is. `grant` is what the token says; None, returned, lets nobody in."""

    def note(self, client: Client, request: ConnectRequest) -> None:
        """See the connect command of a client about which somebody else decides."""

    async def subscribe(self, client: Client, channel: str, data: bytes) -> SubscriptionGrant:
        """Decide about a subscription. Called only for channels that `handles_subscribe`."""

    async def publish(self, client: Client, channel: str, data: bytes) -> PublicationGrant:
        """Decide about a publication, and return what shall be published."""

    async def refresh(self, client: Client) -> Renewal:
        """Decide about a connection that is due to end. Called only where it `handles_refresh`, beside other calls."""

    async def sub_refresh(self, client: Client, channel: str) -> Renewal:
        """The same for a subscription. Called only for channels that it `handles_sub_refresh`."""

    async def call(self, client: Client, method: str, data: bytes) -> bytes:
        """Answer an rpc. Raises `MethodNotFound`."""

    async def message(self, client: Client, data: bytes) -> None:
        """Take a message that needs no answer."""

    async def unsubscribed(self, client: Client, channel: str, code: int) -> None:
        """Hear that a subscription ended. Called in order per client, after the fact."""

    async def disconnected(self, client: Client, code: int, reason: str) -> None:
        """Hear that a connection ended. The last call for a client, made only if it had connected."""

    def hears_ends(self) -> bool:
        """Whether `unsubscribed` and `disconnected` want to be called at all."""

    def sees_clients(self) -> bool:
        """Whether anybody is ever handed a `Client`, and may ask it for the request that opened its connection."""


class NoApplication:
    """Decides nothing: tokens and namespace options say all."""

    def handles_connect(self) -> bool:
        return False

    def handles_subscribe(self, channel: str) -> bool:
        return False

    def handles_publish(self, channel: str) -> bool:
        return False

    def handles_rpc(self) -> bool:
        return False

    def handles_message(self) -> bool:
        return False

    def handles_refresh(self) -> bool:
        return False

    def handles_sub_refresh(self, channel: str) -> bool:
        return False

    def hears_ends(self) -> bool:
        return False

    def sees_clients(self) -> bool:
        return False

    async def connect(
        self, client: Client, request: ConnectRequest, grant: ConnectionGrant | None
    ) -> ConnectionGrant | None:
        return grant

    def note(self, client: Client, request: ConnectRequest) -> None: ...

    async def subscribe(self, client: Client, channel: str, data: bytes) -> SubscriptionGrant:
        return SubscriptionGrant()

    async def publish(self, client: Client, channel: str, data: bytes) -> PublicationGrant:
        return PublicationGrant(data)

    async def refresh(self, client: Client) -> Renewal:
        return Renewal(expired=True)

    async def sub_refresh(self, client: Client, channel: str) -> Renewal:
        return Renewal(expired=True)

    async def call(self, client: Client, method: str, data: bytes) -> bytes:
        raise MethodNotFound

    async def message(self, client: Client, data: bytes) -> None: ...

    async def unsubscribed(self, client: Client, channel: str, code: int) -> None: ...

    async def disconnected(self, client: Client, code: int, reason: str) -> None: ...
