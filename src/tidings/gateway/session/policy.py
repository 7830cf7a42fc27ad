"""What all sessions of a node go by."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from tidings.channels.namespaces import Namespaces
from tidings.gateway.keys import Verifies
from tidings.hooks import Hooks
from tidings.traces import Tracer


class Rules(Struct, frozen=True):
    """The settings that concern a single connection. Times are seconds, 0 switches off what can be switched off."""

    insecure: bool = False
    anonymous: bool = False
    personal_channel: bool = True
    ping_interval: float = 25.0
    pong_timeout: float = 8.0
    stale_timeout: float = 10.0
    channel_limit: int = 128
    history_limit: int = 300
    command_queue_limit: int = 1024
    command_queue_bytes: int = 262144
    """How much may wait behind a command: in number, and in the bytes of the messages that brought it."""
    connect_timeout: float = 60.0
    """How long the application may take to let a client in."""
    expiry_grace: float = 25.0
    """How long a client whose token has run out may take to bring a new one."""


class Handlers(Protocol):
    """Which decisions the application takes itself."""

    def handles_connect(self) -> bool: ...

    def handles_subscribe(self, channel: str) -> bool: ...

    def handles_publish(self, channel: str) -> bool: ...

    def handles_rpc(self) -> bool: ...

    def handles_refresh(self) -> bool: ...

    def handles_sub_refresh(self, channel: str) -> bool: ...

    def handles_message(self) -> bool: ...


class Policy(Struct, frozen=True):
    """Everything that a session consults and does not own."""

    rules: Rules
    namespaces: Namespaces
    verifier: Verifies
    handlers: Handlers
    hooks: Hooks
    version: str
    tracer: Tracer | None = None
