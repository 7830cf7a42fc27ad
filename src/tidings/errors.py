"""What can go wrong, and the number a peer sees for it.

    Exception
    ├── TidingsError                 .code .message .temporary
    │   ├── InternalError            100, temporary: nothing is wrong with the request
    │   │   ├── BrokerUnavailable    100, temporary: the broker did not take or answer it
    │   │   └── KeysUnavailable      100, temporary: nobody can tell whether the token is genuine
    │   ├── Unauthorized             101
    │   ├── UnknownChannel           102
    │   ├── PermissionDenied         103
    │   ├── MethodNotFound           104
    │   ├── AlreadySubscribed        105
    │   ├── LimitExceeded            106
    │   ├── BadRequest               107
    │   ├── NotAvailable             108
    │   ├── TokenExpired             109
    │   ├── Expired                  110
    │   ├── TooManyRequests          111, temporary
    │   ├── UnrecoverablePosition    112
    │   └── SettingsError            never leaves the process: one sentence for the operator
    └── Disconnect                   .code .reason: ends a connection

The numbers are those of the Centrifuge client protocol; 400 to 1999 are free for applications. A handler raises any of
these to answer its client; every other exception becomes an `InternalError` there and a log line here.
"""

from __future__ import annotations


class TidingsError(Exception):
    """A request that was not carried out.

    `code` is stable and meant for programs, `message` for people. `temporary` says that the same request may succeed
    later; clients then repeat it by themselves.
    """

    code = 100
    message = "internal server error"
    temporary = False

    def __init__(self, message: str | None = None, *, code: int | None = None, temporary: bool | None = None) -> None:
        super().__init__(message or self.message)
        if message is not None:
            self.message = message
        if code is not None:
            self.code = code
        if temporary is not None:
            self.temporary = temporary

    def __str__(self) -> str:
        return f"{self.code} {self.message}"


class InternalError(TidingsError):
    """Something failed here that the request is not to blame for."""

    temporary = True


class BrokerUnavailable(InternalError):
    """The broker did not answer in time, or its answer was lost."""


class KeysUnavailable(InternalError):
    """The keys that a token may be signed with cannot be fetched now. The client comes back."""


class Unauthorized(TidingsError):
    """Nobody has said who is asking."""

    code = 101
    message = "unauthorized"


class UnknownChannel(TidingsError):
    """The channel names a namespace that the settings do not know."""

    code = 102
    message = "unknown channel"


class PermissionDenied(TidingsError):
    """Known who is asking, and that is not enough."""

    code = 103
    message = "permission denied"


class MethodNotFound(TidingsError):
    """There are rpc handlers, but none of that name."""

    code = 104
    message = "method not found"


class AlreadySubscribed(TidingsError):
    """The connection is already subscribed to the channel, or just being subscribed."""

    code = 105
    message = "already subscribed"


class LimitExceeded(TidingsError):
    """One more would be more than the settings allow."""

    code = 106
    message = "limit exceeded"


class BadRequest(TidingsError):
    """The request cannot be understood, or contradicts itself."""

    code = 107
    message = "bad request"


class NotAvailable(TidingsError):
    """The feature is switched off for this channel or this server."""

    code = 108
    message = "not available"


class TokenExpired(TidingsError):
    """The token was good once. Clients fetch a new one and try again."""

    code = 109
    message = "token expired"


class Expired(TidingsError):
    """The subscription's new expiry lies in the past."""

    code = 110
    message = "expired"


class TooManyRequests(TidingsError):
    """A rate limit; the same request is welcome later."""

    code = 111
    message = "too many requests"
    temporary = True


class UnrecoverablePosition(TidingsError):
    """The position belongs to another epoch, or is no longer retained."""

    code = 112
    message = "unrecoverable position"


class SettingsError(TidingsError):
    """A setting that cannot be. The message is one sentence that says what to change."""

    def __str__(self) -> str:
        return self.message


class Disconnect(Exception):
    """Raised by a handler to end the connection it speaks for.

    Clients reconnect after the codes 4000 to 4499 and stay away after 4500 to 4999, the two ranges that are free for
    applications; 3000 to 3999 are the protocol's own. `reason` is shown to the client. A close frame has room for 123
    bytes of it, in UTF-8 (RFC 6455, section 5.5). Raises `ValueError` for what cannot be sent.
    """

    def __init__(self, code: int = 4500, reason: str = "disconnected by the application") -> None:
        if not 3000 <= code <= 4999:
            raise ValueError(f"a connection ends with a code from 3000 to 4999, and not with {code}")
        if len(reason.encode()) > 123:
            raise ValueError(f"the reason of a disconnect has at most 123 bytes, and this one {len(reason.encode())}")
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.code} {self.reason}"
