"""Logs: how the process writes them, and which facts are worth a line.

A client must not be able to fill the disk. What clients can cause as often as they like is written at most once per
kind and second, with the number of lines that were suppressed since; metrics count them all.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Hashable, Mapping
from contextvars import Context
from functools import cache
from logging import DEBUG, ERROR, INFO, WARNING
from typing import Any, Literal, TextIO

from msgspec import Struct
from msgspec.structs import asdict

from tidings import events, traces
from tidings.clock import Clock
from tidings.errors import InternalError
from tidings.events import Fact
from tidings.observability.lines import HumanFormatter, JsonFormatter, Line
from tidings.observability.throttle import Throttle
from tidings.traces import Trace
from tidings.wire.centrifuge import codes

LOGGER = logging.getLogger("tidings")

OTHERS: Mapping[str, int] = {"debug": INFO, "info": WARNING, "warning": WARNING, "error": ERROR}
"""What is taken from libraries at each level of ours."""

SERVERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "websockets")
"""Libraries of which only warnings are taken: at info they say of every start, stop and connection what is said by our
own facts, and at debug every frame, with the tokens in it."""


def configure(format: Literal["auto", "human", "json"], level: str, stream: TextIO | None = None) -> None:
    """Have the whole process, libraries included, log to `stream`, by default the error output.

    `format` auto is human on a terminal and JSON elsewhere. `level` is debug, info, warning or error. Replaces what was
    configured before.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    handler = logging.StreamHandler(stream)
    if format == "human" or (format == "auto" and terminal):
        handler.setFormatter(HumanFormatter(colours=terminal and not os.environ.get("NO_COLOR")))
    else:
        handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=OTHERS[level], force=True)
    logging.captureWarnings(True)
    LOGGER.setLevel(level.upper())
    for name in SERVERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        # Not left to the parent: uvicorn looks at the level of this very logger.
        logger.setLevel(max(OTHERS[level], WARNING))


ENDS: Mapping[int, tuple[int, str]] = {
    codes.INTERNAL_ERROR.code: (WARNING, "connection ended by an internal error"),
    codes.SLOW.code: (WARNING, "slow client disconnected"),
    codes.NO_PONG.code: (INFO, "client no longer answers"),
    codes.TOO_MANY_REQUESTS.code: (INFO, "client refused"),
    codes.INVALID_TOKEN.code: (INFO, "client refused"),
    codes.BAD_REQUEST.code: (INFO, "client refused"),
    codes.STALE.code: (INFO, "client refused"),
    codes.CONNECTION_LIMIT.code: (WARNING, "client refused"),
    codes.CHANNEL_LIMIT.code: (WARNING, "client refused"),
    codes.INAPPROPRIATE_PROTOCOL.code: (WARNING, "client refused"),
    codes.PERMISSION_DENIED.code: (INFO, "client refused"),
    codes.NOT_AVAILABLE.code: (INFO, "client refused"),
    codes.TOO_MANY_ERRORS.code: (INFO, "client refused"),
}
"""The ends of ours that an operator may want to know of. All others are the daily come and go."""


class _Entry(Struct, frozen=True):
    level: int
    text: str
    fact: Fact
    trace: Trace | None
    """Where it happened."""
    moment: float
    """When."""


class LogListener:
    """Writes facts to the logger `tidings`. A fact without a method here is a line at debug."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._throttle: Throttle[_Entry] = Throttle(clock)
        self._notable: Mapping[type[Fact], Callable[[Any], None]] = {
            events.ApiCallHandled: self._called,
            events.BrokerLost: self._lost,
            events.BrokerResumed: self._resumed,
            events.CommandFailed: self._failed,
            events.ConnectionClosed: self._closed,
            events.ConnectionRefused: self._refused,
            events.Delivered: self._delivered,
            events.Dropped: self._dropped,
            events.GapFound: self._gap,
            events.RateLimited: lambda fact: self._write(INFO, "rate limited", fact, fact.limit),
            events.ReadingPaused: lambda fact: self._write(INFO, "flooding client paused", fact, fact.limit),
            events.RateForgotten: lambda fact: self._write(WARNING, "rate limit forgets", fact, fact.limit),
            events.TokenRefused: self._refused_token,
            events.KeysFetched: self._fetched_keys,
            events.KeysUnreachable: self._missed_keys,
            events.SettingsReloaded: self._reloaded,
            events.SettingsRefused: self._refused_settings,
            events.WebhookEnded: self._called_webhook,
            events.WebhookAway: self._left_alone,
            events.WebhookResumed: self._works_again,
            events.NoticesDropped: self._not_told,
        }

    def __call__(self, fact: Fact) -> None:
        self._notable.get(type(fact), self._routine)(fact)

    def finish(self) -> None:
        """Write what is held back: nothing may follow that it could come with."""
        for entry, suppressed in self._throttle.rest():
            self._late(entry, suppressed)

    def _called(self, fact: events.ApiCallHandled) -> None:
        if fact.status >= 500 or fact.code == InternalError.code:
            self._write(WARNING, "API call failed", fact, (fact.method, fact.code))
        elif fact.status == 401:
            self._write(INFO, "API call refused", fact, "")
        else:
            self._routine(fact)

    def _failed(self, fact: events.CommandFailed) -> None:
        # Never suppressed: it is a defect of the application or of ours, and the next may be another one.
        fields = {"method": fact.method, "client": fact.client}
        LOGGER.error(Line("command failed", fields), exc_info=fact.error)

    def _closed(self, fact: events.ConnectionClosed) -> None:
        # A client may close with any code it likes; only what we closed is judged by its code.
        level, text = ENDS.get(fact.code, (DEBUG, "")) if fact.by_server else (DEBUG, "")
        if level == DEBUG:
            self._routine(fact)
        else:
            self._write(level, text, fact, fact.code)

    def _refused(self, fact: events.ConnectionRefused) -> None:
        self._write(INFO, "connection refused", fact, fact.reason)

    def _delivered(self, fact: events.Delivered) -> None:
        if LOGGER.isEnabledFor(DEBUG):
            fields = _fields(fact)
            trace = Trace.parse(fields.pop("trace"))
            if trace is None:
                del fields["lasted"]
            LOGGER.debug(Line(_words(type(fact)), fields, trace))

    def _dropped(self, fact: events.Dropped) -> None:
        self._write(WARNING, "publications dropped", fact, (fact.channel, fact.policy))

    def _gap(self, fact: events.GapFound) -> None:
        self._write(WARNING, "gap found", fact, fact.filled)

    def _lost(self, fact: events.BrokerLost) -> None:
        self._write(WARNING, "broker lost", fact, fact.reason)

    def _resumed(self, fact: events.BrokerResumed) -> None:
        self._write(INFO, "broker resumed", fact, "")

    def _refused_token(self, fact: events.TokenRefused) -> None:
        # Tokens run out all day long, and clients bring new ones.
        if fact.reason == "expired":
            self._routine(fact)
        else:
            self._write(INFO, "token refused", fact, (fact.kind, fact.reason))

    def _fetched_keys(self, fact: events.KeysFetched) -> None:
        if not fact.keys:
            self._write(WARNING, "no usable key published", fact, fact.source)
        elif fact.changed:
            self._write(INFO, "keys fetched", fact, fact.source)
        else:
            self._routine(fact)

    def _missed_keys(self, fact: events.KeysUnreachable) -> None:
        self._write(WARNING, "keys not fetched", fact, fact.source)

    def _reloaded(self, fact: events.SettingsReloaded) -> None:
        # Never suppressed, like what follows: it happens when an operator acts, who wants to see what comes of it.
        LOGGER.info(Line("settings reloaded", {"changed": ", ".join(fact.changed) or "nothing"}))
        if fact.restart:
            LOGGER.warning(Line(f"needs a restart: {', '.join(fact.restart)}"))

    def _refused_settings(self, fact: events.SettingsRefused) -> None:
        LOGGER.error(Line("settings not reloaded, all stays as it was", {"reason": fact.reason}))

    def _called_webhook(self, fact: events.WebhookEnded) -> None:
        if fact.why:
            self._write(WARNING, "webhook failed", fact, (fact.event, fact.outcome))
        else:
            self._routine(fact)

    def _left_alone(self, fact: events.WebhookAway) -> None:
        self._write(WARNING, "webhook left alone", fact, fact.event)

    def _works_again(self, fact: events.WebhookResumed) -> None:
        self._write(INFO, "webhook works again", fact, fact.event)

    def _not_told(self, fact: events.NoticesDropped) -> None:
        self._write(WARNING, "webhook notices dropped", fact, (fact.event, fact.reason))

    def _routine(self, fact: Fact) -> None:
        if LOGGER.isEnabledFor(DEBUG):
            LOGGER.debug(Line(_words(type(fact)), _fields(fact)))

    def _write(self, level: int, text: str, fact: Fact, kind: Hashable) -> None:
        if not LOGGER.isEnabledFor(level):
            return
        span = traces.current()
        current = _Entry(level, text, fact, span.trace if span else None, self._clock.now())
        for entry, suppressed in self._throttle.take((text, kind), current):
            if entry is current:
                LOGGER.log(entry.level, _line(entry, suppressed))
            else:
                self._late(entry, suppressed)

    def _late(self, entry: _Entry, suppressed: int) -> None:
        """Write a line that was held back, with the time at which it was true."""
        # It has nothing to do with the trace in which something is being done now.
        Context().run(self._handle, entry, _line(entry, suppressed))

    def _handle(self, entry: _Entry, line: Line) -> None:
        record = LOGGER.makeRecord(LOGGER.name, entry.level, __file__, 0, line, (), None)
        record.created -= self._clock.now() - entry.moment
        record.msecs = record.created % 1 * 1000
        LOGGER.handle(record)


def _line(entry: _Entry, suppressed: int) -> Line:
    fields = _fields(entry.fact)
    if suppressed:
        fields["suppressed"] = suppressed
    return Line(entry.text, fields, entry.trace)


def _fields(fact: Fact) -> dict[str, Any]:
    """Times to the microsecond: further digits say nothing of what they measure."""
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(fact).items()}


@cache
def _words(fact: type[Fact]) -> str:
    """The name of a fact as words: "connection opened"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", fact.__name__).lower()
