"""What others learn of the API's calls: a fact about each, and a span where tracing is on.

Only a call that has the key opens a span, and only its `traceparent` counts: strangers must not decide what is
recorded.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from starlette.types import Scope

from tidings import events
from tidings.app.api.requests import REQUESTS
from tidings.clock import Clock
from tidings.errors import InternalError
from tidings.gateway.session import Policy
from tidings.traces import Kind, Span, Trace

BATCH = "batch"
NAMES = frozenset((*REQUESTS, BATCH))


class Watch:
    """Looks at the calls of one path. `name` is what they are called where the path does not say it."""

    def __init__(self, policy: Policy, clock: Clock, name: str = "") -> None:
        self.policy = policy
        self.clock = clock
        self.name = name

    def call(self, scope: Scope) -> Call:
        return Call(self, scope)


class Call:
    """One call, as a block. Whoever answers it sets `status`, and `code` where the answer is an error.

    Without a status nobody got an answer, and there is nothing to tell.
    """

    __slots__ = ("_began", "_scope", "_span", "_watch", "code", "status")

    def __init__(self, watch: Watch, scope: Scope) -> None:
        self.status = 0
        self.code = 0
        self._watch = watch
        self._scope = scope
        self._span: Span | None = None
        self._began = 0.0

    def __enter__(self) -> Self:
        self._began = self._watch.clock.now()
        return self

    def admit(self) -> None:
        """The caller has the key."""
        tracer = self._watch.policy.tracer
        if tracer is not None:
            method = self._method() or "{method}"
            about = {"http.request.method": "POST", "http.route": f"/api/{method}"}
            span = tracer.span(f"POST /api/{method}", Kind.SERVER, about, Trace.of(self._scope["headers"]))
            self._span = span.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self.status, self.code = 500, InternalError.code
        if self.status:
            lasted = self._watch.clock.now() - self._began
            caller = self._scope.get("client")
            self._watch.policy.hooks.announce(
                events.ApiCallHandled(self._method(), self.code, self.status, lasted, caller[0] if caller else "")
            )
        if self._span is not None:
            self._span.note({"http.response.status_code": self.status, "tidings.code": self.code})
            if self.status >= 500 or self.code == InternalError.code:
                self._span.fail(str(self.code or self.status))
            self._span.__exit__(kind, error, traceback)

    def _method(self) -> str:
        """As the API knows it, which is one of few: callers can write any path."""
        method = self._scope["path_params"].get("method", self._watch.name)
        return method if method in NAMES else ""
