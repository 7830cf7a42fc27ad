"""Where in a trace the running code is, and how that travels: https://www.w3.org/TR/trace-context/.

A door of a node (an API call, a Python call, a client's command) opens a span. What runs inside finds it with
`current`, on whichever rung it stands, and says `outgoing_headers` to those whom it asks. What spans are made of, and
where they go, is the business of a `Tracer`; without one nobody opens a span, and asking for the current one is all
that it costs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from enum import Enum, auto
from types import TracebackType
from typing import Protocol, Self

from msgspec import Struct

STATE_LIMIT_BYTES, STATE_LIMIT = 512, 32
"""How long a `tracestate` may be, and how many members it may have (section 3.3.1). A larger one is not passed on."""

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER = re.compile(r"[a-z0-9][-a-z0-9_*/]{0,255}(@[a-z][-a-z0-9_*/]{0,13})?=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}")
_NOBODY = "0"

Attributes = Mapping[str, str | int]


class Trace(Struct, frozen=True):
    """A place in a trace, as its headers: `parent` is a good `traceparent`, `state` what came as `tracestate`."""

    parent: str
    state: str = ""

    @classmethod
    def read(cls, parent: str, state: str = "") -> Self | None:
        """The place that these headers name. None where they name none: whoever reads them then begins a trace."""
        found = _PARENT.fullmatch(parent)
        if found is None:
            return None
        version, trace, span, _, more = found.groups()
        # Version ff is forbidden; what later versions append is not for us (section 3.2.4), and version 00 has nothing.
        if version == "ff" or (version == "00" and more is not None):
            return None
        if not trace.strip(_NOBODY) or not span.strip(_NOBODY):
            return None
        return cls(parent, _good_state(state))

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> Self | None:
        """The place that a request comes from; `headers` are those of ASGI. Malformed ones count as absent."""
        parents = [value for name, value in headers if name == b"traceparent"]
        if len(parents) != 1:
            return None
        states = [value.decode("latin-1") for name, value in headers if name == b"tracestate"]
        return cls.read(parents[0].decode("latin-1").strip(" \t"), ",".join(states))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What `text` has made."""
        return cls.read(*text.split(" ", 1)) if text else None

    def text(self) -> str:
        """Both in one, as they travel with a publication."""
        return f"{self.parent} {self.state}" if self.state else self.parent

    def headers(self) -> dict[str, str]:
        headers = {"traceparent": self.parent}
        if self.state:
            headers["tracestate"] = self.state
        return headers

    @property
    def trace_id(self) -> str:
        return self.parent[3:35]

    @property
    def span_id(self) -> str:
        return self.parent[36:52]

    @property
    def flags(self) -> int:
        return int(self.parent[53:55], 16)


class Kind(Enum):
    """What a span is to the trace."""

    INTERNAL = auto()
    SERVER = auto()
    """Somebody's request is answered."""
    PRODUCER = auto()
    """A publication is handed to the broker."""
    CONSUMER = auto()
    """A publication that came from the broker is delivered."""


class Span(Protocol):
    """A piece of work, as a block. What is opened inside, and logged there, belongs to it.

    It ends with the block. An exception that leaves the block is noted by its class, without its text.
    """

    trace: Trace
    is_recorded: bool
    """Whether anybody will see it. Inside a span that is not recorded there is no need to open others."""
    is_over: bool

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def note(self, attributes: Attributes) -> None:
        """Add what has become known meanwhile."""

    def fail(self, kind: str) -> None:
        """Say that the work has failed, and with which kind of error."""

    def child(self, name: str, kind: Kind, attributes: Attributes) -> AbstractContextManager[Span]:
        """A span below this one."""


class Tracer(Protocol):
    """Opens spans at the doors of a node."""

    def span(self, name: str, kind: Kind, attributes: Attributes, parent: Trace | None = None) -> Span:
        """A span below the one that is current, the application's own included; else below `parent`; else the first."""

    def root(self, name: str, kind: Kind, attributes: Attributes) -> Span:
        """The first span of a trace, whatever is current."""


def _good_state(text: str) -> str:
    """The state without its empty members; of a bad one nothing is kept (section 3.3.2)."""
    if len(text) > STATE_LIMIT_BYTES:
        return ""
    members = [member for each in text.split(",") if (member := each.strip(" \t"))]
    if len(members) > STATE_LIMIT or not all(map(_MEMBER.fullmatch, members)):
        return ""
    is_unique = len({member.partition("=")[0] for member in members}) == len(members)
    return ",".join(members) if is_unique else ""


_current: ContextVar[Span | None] = ContextVar("tidings.span", default=None)


def current() -> Span | None:
    """The span that the running code is in. One that is over is none: tasks keep the context that they began in."""
    span = _current.get()
    return None if span is None or span.is_over else span


def enter(span: Span) -> Span | None:
    """Make a span the current one, for those who implement them. Returns what was current, for `leave`."""
    before = _current.get()
    _current.set(span)
    return before


def leave(before: Span | None) -> None:
    """Make the span current again that was so before `enter`."""
    _current.set(before)


def outgoing_headers() -> dict[str, str]:
    """What to send along with an HTTP request so that whoever gets it goes on in this trace; nothing outside of one.

    >>> headers = {"content-type": "application/json", **traces.outgoing_headers()}
    """
    span = current()
    return {} if span is None else span.trace.headers()


def about(channel: str, size_bytes: int) -> Attributes:
    """What all spans about a publication say of it, by OpenTelemetry's names."""
    return {
        "messaging.system": "tidings",
        "messaging.destination.name": channel,
        "messaging.message.body.size": size_bytes,
    }
