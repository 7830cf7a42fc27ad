"""The sections of the settings, each with its keys, their defaults and one line of meaning.

The lines of meaning are also the comments of the template that `tidings config init` writes. All times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from tidings.app.settings.auth import NO_SECRET, Auth
from tidings.app.settings.channels import Channels
from tidings.app.settings.fields import Amount, Count, Duration, Ratio, Seconds, Section, Words
from tidings.app.settings.transforms import Transforms
from tidings.gateway.admission import Rate


class Server(Section):
    """Where to listen, and how to stop."""

    host: str = Field(default="127.0.0.1", description="The address to listen on; 0.0.0.0 is every one.")
    port: Annotated[Count, Field(le=65535)] = Field(default=8000, description="The port; 0 takes any free one.")
    workers: Amount = Field(default=1, description="Processes; more than one needs a broker between them.")
    drain_timeout: Seconds = Field(default=10.0, description="How long stopping may take.")
    tls_certificate: str = Field(default="", description="A file with the certificates in PEM; empty for no TLS.")
    tls_key: str = Field(default="", description="A file with its private key in PEM.")
    trusted_proxies: Words = Field(default=("127.0.0.1",), description="Whose word on the client's address is taken.")
    internal_host: str = Field(default="", description="An address for API, metrics and operators alone, without TLS.")
    internal_port: Annotated[Count, Field(le=65535)] = Field(
        default=0, description="Its port. Both empty: one for all."
    )
    handshake_timeout: Duration = Field(default=10.0, description="For a TLS handshake, and for the head of a request.")
    request_timeout: Duration = Field(default=60.0, description="For the body of a request, and reading its answer.")

    def url(self, port: int | None = None) -> str:
        """Where it is found; `port` is the one that is taken where the settings leave it open."""
        return _url("https" if self.tls_certificate else "http", self.host, port or self.port)

    @property
    def is_divided(self) -> bool:
        """Whether back ends and operators have an address of their own."""
        return bool(self.internal_host or self.internal_port)

    @property
    def internal_address(self) -> tuple[str, int]:
        """That address, where there is one."""
        return self.internal_host or "127.0.0.1", self.internal_port

    def internal_url(self, port: int | None = None) -> str:
        """Where back ends find the API: there, or with everything else. `port` is as in `url`."""
        host, own = self.internal_address
        return _url("http", host, port or own) if self.is_divided else self.url(port)


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


class Broker(Section):
    """What carries publications between nodes."""

    url: str = Field(
        default="memory://",
        repr=False,  # may hold a password
        description="Or redis://… rediss://… redis+sentinel://… redis+cluster://… nats://… tls://…",
    )
    prefix: str = Field(default="tidings", min_length=1, description="What all names in the broker begin with.")
    publish_timeout: Seconds = Field(default=5.0, description="How long a publish waits for a broker that is away.")
    publish_queue_limit: Count = Field(default=10000, description="How many may wait so; further ones fail at once.")
    lease: Duration = Field(default=30.0, description="How long a node counts as alive after its last sign of life.")


class Api(Section):
    """The HTTP API, for back ends."""

    key: SecretStr = Field(default=NO_SECRET, description="What back ends send as X-API-Key; empty lets nobody in.")
    key_file: str = Field(default="", description="Or a file that has nothing but it.")
    insecure: bool = Field(default=False, description="Answer without a key.")
    error_mode: Literal["", "transport"] = Field(default="", description="transport: errors are HTTP statuses, too.")

    @property
    def secret(self) -> str:
        """The key in plain text."""
        return self.key.get_secret_value()


class Client(Section):
    """What clients may do, and how much of it."""

    insecure: bool = Field(default=False, description="Everybody may do everything; for trying things out.")
    anonymous: bool = Field(default=False, description="Let clients connect without a token.")
    allowed_origins: Words = Field(default=(), description='Pages that may connect: "https://*.example.com", "*".')
    personal_channel: bool = Field(default=True, description="Subscribe every user to the channel #user.")
    ping_interval: Seconds = Field(default=25.0, description="How often a connection is tried; 0 for never.")
    pong_timeout: Duration = Field(default=8.0, description="How long the answer may take.")
    stale_timeout: Seconds = Field(default=10.0, description="How long the connect command may take; 0 for any time.")
    message_limit_bytes: Amount = Field(default=65536, description="The largest message a client may send.")
    channel_limit: Count = Field(default=128, description="Subscriptions of one connection.")
    queue_limit_bytes: Amount = Field(default=1048576, description="What may wait for a client that reads slowly.")
    command_queue_limit: Amount = Field(default=1024, description="Commands of one connection that may wait.")
    history_limit: Amount = Field(default=300, description="Publications in one answer: history and recovery.")
    user_connection_limit: Count = Field(default=0, description="Connections of one user on all nodes; 0: any number.")
    connection_limit: Count = Field(default=0, description="Connections on this node; 0: any number.")
    compression: bool = Field(default=False, description="Offer permessage-deflate; saves bytes, costs CPU and memory.")


class Limits(Section):
    """How often within any such time, by each node: "20/10s", "100/s", "5/1m"; empty for no limit."""

    connects_per_address: str = Field(default="", description="New connections from one address.")
    connects_per_user: str = Field(default="", description="New connections of one user.")
    commands_per_connection: str = Field(default="", description="Commands on one connection.")
    commands_per_user: str = Field(default="", description="Commands of one user.")
    api_requests: str = Field(default="", description="Requests to the HTTP API from one address; batches count more.")

    def rate(self, key: str) -> Rate | None:
        """A limit as the gateway takes it; None where it is off."""
        text = getattr(self, key)
        return Rate.parse(text) if text else None


class Endpoint(Section):
    """An endpoint of the application."""

    endpoint: str = Field(
        default="",
        repr=False,  # may hold a password
        description="An http:// or https:// address; empty for nobody.",
    )
    timeout: Duration = Field(default=1.0, description="How long the answer may take.")
    http_headers: Words = Field(default=(), description="Headers of the client to pass on.")
    emulated_headers: bool = Field(default=True, description="Take these from connect commands, too.")
    secret: SecretStr = Field(default=NO_SECRET, description="What calls are signed with; empty for no signature.")
    ca_file: str = Field(default="", description="Whose certificates to trust, in PEM; empty for the system's.")
    concurrency: Amount = Field(default=64, description="Calls under way at a time.")

    @property
    def terms(self) -> dict[str, Any]:
        """The section as the gateway takes it, the secret in plain text."""
        values = self.model_dump()
        return {**values, "url": values.pop("endpoint"), "secret": self.secret.get_secret_value()}


class Proxy(Endpoint):
    """One that is asked."""

    # Waiting for a turn and for the answer may each take so long, and a client that connects or renews has a minute.
    timeout: Annotated[Duration, Field(le=25.0)] = Field(default=1.0, description="How long the answer may take.")
    queue_limit: Count = Field(default=1024, description="Calls that may wait for their turn; further ones fail.")
    answer_limit_bytes: Amount = Field(default=65536, description="The largest answer that is read.")
    binary: bool = Field(default=False, description="Send payloads in Base64, whatever they are.")
    status_to_code_transforms: Transforms = Field(
        default=(), description="What statuses mean: [{status_code = 404, to_error = {code = 1404}}]."
    )

    @property
    def terms(self) -> dict[str, Any]:
        return {**super().terms, "meanings": {one.status_code: one.meaning for one in self.status_to_code_transforms}}


class Notice(Endpoint):
    """One that is told."""

    concurrency: Amount = Field(default=8, description="Calls under way at a time.")
    queue_limit: Amount = Field(default=50000, description="What may wait; the oldest are dropped for newer ones.")
    queue_limit_bytes: Amount = Field(default=16777216, description="The same in bytes.")
    flush_timeout: Seconds = Field(default=5.0, description="How long stopping waits for what has not arrived.")
    retry_for: Seconds = Field(default=300.0, description="How long what the endpoint refuses is told again.")


class StateNotice(Notice):
    """One that is told of channels."""

    debounce: Seconds = Field(default=1.0, description="How long a channel must stay occupied, or empty, to be told.")


NO_PROXY = Proxy()
NO_NOTICE = Notice()


class Proxies(Section):
    """Endpoints of the application that are asked about an event, or told (docs/webhooks.md)."""

    connect: Proxy = NO_PROXY
    refresh: Proxy = NO_PROXY
    subscribe: Proxy = NO_PROXY
    publish: Proxy = NO_PROXY
    sub_refresh: Proxy = NO_PROXY
    rpc: Proxy = NO_PROXY
    disconnect: Notice = NO_NOTICE
    unsubscribe: Notice = NO_NOTICE
    state: StateNotice = StateNotice()


class Log(Section):
    """What is logged."""

    format: Literal["auto", "human", "json"] = Field(
        default="auto", description="auto: human on a terminal, else json."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Or debug, warning, error.")


class Tracing(Section):
    """A publication's way as spans of OpenTelemetry."""

    enabled: bool = Field(default=False, description="Needs tidings[otel].")
    sample_ratio: Ratio = Field(default=1.0, description="Of the traces that begin here, how many are recorded.")
    endpoint: str = Field(
        default="",
        repr=False,  # may hold a password
        description="Of a collector, OTLP by HTTP; or OTEL_EXPORTER_OTLP_ENDPOINT.",
    )
    service_name: str = Field(default="", description='Or OTEL_SERVICE_NAME; else "tidings".')


class Diagnostics(Section):
    """For those who look inside."""

    echo: bool = Field(default=False, description="/connection/echo returns every frame, for conformance suites.")


SECTIONS: Mapping[str, type[Section]] = {
    "server": Server,
    "broker": Broker,
    "auth": Auth,
    "api": Api,
    "client": Client,
    "limits": Limits,
    "proxy": Proxies,
    "log": Log,
    "tracing": Tracing,
    "diagnostics": Diagnostics,
    "channels": Channels,
}
