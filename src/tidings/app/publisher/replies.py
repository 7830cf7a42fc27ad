"""What the answer of a server means for the orders of a request. Pure: a status, headers and a body in, outcomes out.

Centrifugo's servers and our own answer alike, proxies in front of them as they like.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

import msgspec
from msgspec import Struct

from tidings import errors
from tidings.app.publisher.orders import Order, Outcome
from tidings.errors import BadRequest, InternalError, TidingsError, TooManyRequests, Unauthorized
from tidings.model import StreamPosition

DEFAULT_RETRY = 1.0
"""Seconds to wait after a 429 that does not say how long."""

RETRY_LIMIT = 300.0
"""Seconds after which the server is asked again, however long it wants to be left alone: it may have erred."""

ANSWER_BYTES = 64 * 1024
REPLY_BYTES = 1024
"""How long an answer may be, at most, and for each channel: an offset and an epoch, or an error with its sentence."""

NOT_CARRIED_OUT = frozenset({400, 401, 403, 404, 405, 411, 413, 414, 415, 421, 429, 431})
"""Statuses of a request of which nothing was done; after any other, nobody knows. A proxy says 502 and 504 for a server
that has lost its connection, or its time, in the middle of the work."""


class _Error(Struct, frozen=True):
    code: int
    message: str
    temporary: bool | None = None


class _Response(Struct, frozen=True):
    error: _Error | None = None
    result: StreamPosition | None = None


class _Broadcast(Struct, frozen=True):
    responses: list[_Response]


class _Reply(Struct, frozen=True):
    error: _Error | None = None
    publish: StreamPosition | None = None
    broadcast: _Broadcast | None = None


class _Batch(Struct, frozen=True):
    replies: list[_Reply] | None = None
    error: _Error | None = None


class Refused(Exception):
    """The request as a whole came to nothing. `is_unknown` where it may have been carried out all the same."""

    def __init__(self, error: TidingsError, *, is_unknown: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.is_unknown = is_unknown


class Later(Exception):
    """The server has had too many requests: nothing was done, and it wants to be left alone for `pause` seconds."""

    def __init__(self, pause: float) -> None:
        super().__init__(pause)
        self.pause = pause


class TooLarge(Exception):
    """The server, or somebody in front of it, takes no body as long as this one."""


_batch = msgspec.json.Decoder(_Batch).decode
_error = msgspec.json.Decoder(_Error).decode

_KINDS: Mapping[int, type[TidingsError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TidingsError) and TidingsError in kind.__bases__
    if kind is not errors.SettingsError
}
"""The class of each code that has one: those that stand below another share its code."""


def limit_bytes(orders: Sequence[Order]) -> int:
    """How long the answer to a request with these may be: no honest server says more."""
    return ANSWER_BYTES + REPLY_BYTES * sum(len(order.channels) for order in orders)


def outcomes(base: str, status: int, headers: Mapping[str, str], body: bytes, count: int) -> Sequence[Outcome]:
    """One for each command of a batch. Raises `Refused`, `Later` and `TooLarge`. `base` is the server's name."""
    if status != 200:
        raise _refusal(base, status, headers, body)
    try:
        answer = _batch(body)
    except msgspec.MsgspecError:
        answer = _Batch()
    if answer.error is not None:
        raise Refused(_told(answer.error))
    if answer.replies is None or len(answer.replies) != count:
        # Somebody answers everything with a page of their own; or it is a server whose answer is cut off.
        sentence = f"{base} does not answer as a Tidings server would"
        raise Refused(InternalError(sentence, temporary=False), is_unknown=True)
    return [_outcome(reply) for reply in answer.replies]


def _outcome(reply: _Reply) -> Outcome:
    if reply.error is not None:
        return _told(reply.error)
    if reply.broadcast is None:
        return [reply.publish or StreamPosition()]
    for response in reply.broadcast.responses:
        if response.error is not None:
            return _told(response.error)
    return [response.result or StreamPosition() for response in reply.broadcast.responses]


def _told(error: _Error) -> TidingsError:
    kind = _KINDS.get(error.code)
    if kind is None:
        return TidingsError(error.message, code=error.code, temporary=bool(error.temporary))
    return kind(error.message, temporary=error.temporary)


def _refusal(base: str, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
    if status == 429:
        return Later(_pause(headers.get("retry-after", "")))
    if status == 413:
        return TooLarge()
    return Refused(_sentence(base, status, headers, body), is_unknown=status not in NOT_CARRIED_OUT)


def _sentence(base: str, status: int, headers: Mapping[str, str], body: bytes) -> TidingsError:
    if status in (401, 403):
        return Unauthorized(f"{base} does not accept this key; key= has to be what its [api] key says")
    try:
        return _told(_error(body))
    except msgspec.MsgspecError:
        pass
    if status == 404:
        return TidingsError(f"{base}/api/batch is not there; the URL ends where the server, or the mounted hub, begins")
    if 300 <= status < 400:
        return TidingsError(f"{base} redirects to {headers.get('location', 'somewhere else')!r}; give that URL")
    if status >= 500:
        return InternalError(f"{base} answers {status}")
    return BadRequest(f"{base} answers {status}")


def reset(headers: Mapping[str, str]) -> float:
    """When to come again after commands that were too many, though the request was not: seconds until more is left."""
    return _pause(headers.get("ratelimit-reset", ""))


def _pause(text: str) -> float:
    """Seconds, from a number or a date (RFC 9110, section 10.2.3)."""
    try:
        wanted = float(text) if text[:1].isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return DEFAULT_RETRY
    return min(max(0.0, wanted), RETRY_LIMIT)


def too_many(pause: float) -> TidingsError:
    return TooManyRequests(f"the server wants no more requests for {pause:.3g} s")


def too_large(base: str) -> TidingsError:
    return BadRequest(f"{base} takes no publication as large as this one")
