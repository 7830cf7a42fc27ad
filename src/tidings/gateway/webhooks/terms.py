"""What is agreed upon about an endpoint of the application: values that come from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from tidings.errors import Disconnect, TidingsError

ERROR_CODES = range(400, 2000)
DISCONNECT_CODES = range(4000, 5000)
REASON = r"\A[ -~]{0,32}\Z"
"""Printable ASCII, and not too much of it."""


class Event(StrEnum):
    """What an endpoint is for. Names are those of the settings, `[proxy.connect]` and so on."""

    CONNECT = "connect"
    REFRESH = "refresh"
    SUBSCRIBE = "subscribe"
    PUBLISH = "publish"
    SUB_REFRESH = "sub_refresh"
    RPC = "rpc"
    DISCONNECT = "disconnect"
    UNSUBSCRIBE = "unsubscribe"
    STATE = "state"


class Refusal(Struct, frozen=True):
    """An error, which the client gets as the answer to its command. null is what is absent."""

    code: Annotated[int, Meta(ge=ERROR_CODES.start, lt=ERROR_CODES.stop)]
    message: str | None = None
    temporary: bool | None = None

    def exception(self) -> TidingsError:
        return TidingsError(self.message or "", code=self.code, temporary=bool(self.temporary))


class Ending(Struct, frozen=True):
    """The end of the client's connection. null is what is absent."""

    code: Annotated[int, Meta(ge=DISCONNECT_CODES.start, lt=DISCONNECT_CODES.stop)]
    reason: Annotated[str, Meta(pattern=REASON)] | None = None

    def exception(self) -> Disconnect:
        return Disconnect(self.code, self.reason or "")


class Terms(Struct, frozen=True):
    """How one endpoint is called. Times are seconds.

    `timeout` is for a call and for the waiting before it, each. At most `concurrency` calls are under way at a time.
    Of an answer at most `answer_limit_bytes` are read. `secret` signs what is sent, `ca_file` names whom to trust in
    place of the system's authorities. With `binary` payloads always go in Base64.
    """

    event: Event
    url: str
    timeout: float = 1.0
    http_headers: tuple[str, ...] = ()
    emulated_headers: bool = True
    secret: str = ""
    ca_file: str = ""
    concurrency: int = 64
    queue_limit: int = 1024
    """How many calls may wait for their turn; of events that are told, how many may wait to be delivered."""
    queue_limit_bytes: int = 16777216
    flush_timeout: float = 5.0
    """For how long a node that stops goes on delivering what waits."""
    retry_for: float = 300.0
    """For how long an event that is refused is told again."""
    answer_limit_bytes: int = 65536
    binary: bool = False
    meanings: Mapping[int, Refusal | Ending] = {}
    """What HTTP statuses other than 200 mean to the client. They are decisions as good as those of a body."""

    def __repr__(self) -> str:
        """Without the address, which may hold a password, and the secret."""
        return f"Terms({self.event})"


class Outcome(StrEnum):
    """What became of a call."""

    OK = "ok"
    """A result, or for events that are told any status from 200 to 299."""
    ERROR = "error"
    """The endpoint refused, with an error for the client; or with a status that means one."""
    DISCONNECT = "disconnect"
    """The endpoint ended the client's connection, likewise."""
    INVALID = "invalid"
    """The answer was not one: wrong types, wrong codes, no JSON, too long."""
    STATUS = "status"
    """Another HTTP status than 200, without a meaning and below 500; redirects are such."""
    BROKEN = "broken"
    """An HTTP status from 500 on, without a meaning."""
    TIMEOUT = "timeout"
    """No whole answer in time."""
    UNREACHABLE = "unreachable"
    """No connection, or one that broke."""
    BUSY = "busy"
    """Not called: too many calls were under way and waiting already."""
    OPEN = "open"
    """Not called: it failed too often, and is left alone."""
    CANCELLED = "cancelled"
    """Nobody waits for the answer any more, because the node stops."""


FAILURES = frozenset({Outcome.BROKEN, Outcome.TIMEOUT, Outcome.UNREACHABLE})
"""What speaks against the endpoint as a whole, and opens its circuit."""


NOT_NOW = frozenset({408, 425, 429})
"""Statuses below 500 that speak of the moment, and not of what was sent."""


class CallFailed(Exception):
    """An endpoint gave no answer that could be used; `why` is for the operator, never for the client.

    `status` is that of the answer, 0 where there was none.
    """

    def __init__(self, outcome: Outcome, why: str, *, status: int = 0) -> None:
        super().__init__(outcome, why)
        self.outcome = outcome
        self.why = why
        self.status = status

    @property
    def is_refusal(self) -> bool:
        """Whether the endpoint has looked at it and may never want it.

        From 502 on a status is that of somebody who stands in front of it, or of one that cannot now; 500 is what an
        application answers that stumbles over this very thing.
        """
        return 0 < self.status < 502 and self.status not in NOT_NOW


class BadAnswer(CallFailed):
    """An answer that breaks the shape."""

    def __init__(self, why: str) -> None:
        super().__init__(Outcome.INVALID, why)
